package lab

import "time"

// WaitWorking waits until bytes go through r.
func (l *Lab) WaitWorking(c *Child, r Route) {
	l.T.Helper()
	Eventually(l.T, Patience, "bytes through the tunnel", func() bool {
		if !c.Running() {
			l.T.Fatalf("ended with %d", c.ExitCode())
		}
		return r.Works(time.Second) == nil
	})
}

// Secret is the passphrase of encrypted keys in these tests.
const Secret = "open sesame, please"
