package integration

import "time"

// waitWorking waits until bytes go through r.
func (l *lab) waitWorking(c *child, r route) {
	l.t.Helper()
	eventually(l.t, patience, "bytes through the tunnel", func() bool {
		if !c.running() {
			l.t.Fatalf("ended with %d", c.exitCode())
		}
		return r.works(time.Second) == nil
	})
}

// secret is the passphrase of encrypted keys in these tests.
const secret = "open sesame, please"
