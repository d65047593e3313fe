package integration

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A server with which the echo never comes back is none to suspect: its keepalives are answered. That is said once, however
// often there is a new connection.
func TestEchoThatNeverWorksIsNoSuspicion(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines func(target string) []string // of sshd_config(5)
		blind bool                         // the server can not resolve localhost
		why   string
	}{
		{"no listeners", func(string) []string { return []string{"AllowTcpForwarding local"} }, false, "refused to listen"},
		{"no such listener", func(string) []string { return []string{"PermitListen 127.0.0.1:1"} }, false, "refused to listen"},
		{"no such target", func(target string) []string { return []string{"PermitOpen " + target} }, false, "prohibited"},
		{"no localhost", func(string) []string { return nil }, true, "Name or service not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			target := startTarget(t, echo).address()
			server := newSSHD(t, c.lines(target)...)
			if c.blind {
				server.prefix = withoutNames(t, server)
			}
			server.start()
			server.waitListening()
			l := labOf(t, server, "TunneldEchoInterval 1", "TunneldBackoffMax 1")
			r := localRoute(t, target)
			p := l.open(tunneld, []route{r})
			for round := range 2 {
				eventually(t, patience, "the echo is given up", func() bool {
					s := l.account.status(alias)
					return len(s.Tunnels) == 1 && len(s.Tunnels[0].Sessions) == 1 && strings.Contains(s.Tunnels[0].Sessions[0].EchoVoid, c.why)
				})
				never(t, 1500*time.Millisecond, "it is suspect", func() bool { return len(p.matching(isSuspect)) > 0 })
				if round == 0 {
					from := p.mark()
					l.relay.cut()
					waitUp(t, p, from)
				}
			}
			check(t, r.works(patience))
			if told := p.matching(said("no echo probes, keepalives watch the connection")); len(told) != 1 {
				t.Errorf("said %d times, want once", len(told))
			}
		})
	}
}

var isSuspect = func(l line) bool { return l.field("state") == "suspect" }

// withoutNames gives the words that start a server where no name of a host is known, not even localhost.
func withoutNames(t *testing.T, server *sshd) []string {
	t.Helper()
	needRoot(t, "a mount namespace of its own for sshd")
	need(t, "unshare", "mount")
	if out, err := exec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
		t.Skipf("needs a mount namespace: %s", out)
	}
	writeFile(t, server.path("hosts"), "")
	writeFile(t, server.path("nsswitch.conf"), "passwd: files\ngroup: files\nshadow: files\nhosts: files\n")
	return []string{"unshare", "-m", "sh", "-c",
		`mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf && exec "$@"`, server.dir}
}
