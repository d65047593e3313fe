package recovery

import (
	"github.com/tunneld/tunneld/integration/lab"
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
		blind bool                         // the server cannot resolve localhost
		why   string
	}{
		{"no listeners", func(string) []string { return []string{"AllowTcpForwarding local"} }, false, "refused to listen"},
		{"no such listener", func(string) []string { return []string{"PermitListen 127.0.0.1:1"} }, false, "refused to listen"},
		{"no such target", func(target string) []string { return []string{"PermitOpen " + target} }, false, "prohibited"},
		{"no localhost", func(string) []string { return nil }, true, "Name or service not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			target := lab.StartTarget(t, lab.Echo).Address()
			server := lab.NewSSHD(t, c.lines(target)...)
			if c.blind {
				server.Prefix = withoutNames(t, server)
			}
			server.Start()
			server.WaitListening()
			l := lab.LabOf(t, server, "TunneldEchoInterval 1", "TunneldBackoffMax 1")
			r := lab.LocalRoute(t, target)
			p := l.Open(lab.Tunneld, []lab.Route{r})
			for round := range 2 {
				lab.Eventually(t, lab.Patience, "the echo is given up", func() bool {
					s := l.Account.Status(lab.Alias)
					return len(s.Tunnels) == 1 && len(s.Tunnels[0].Sessions) == 1 && strings.Contains(s.Tunnels[0].Sessions[0].EchoVoid, c.why)
				})
				lab.Never(t, 1500*time.Millisecond, "it is suspect", func() bool { return len(p.Matching(isSuspect)) > 0 })
				if round == 0 {
					from := p.Mark()
					l.Relay.Cut()
					lab.WaitUp(t, p, from)
				}
			}
			lab.Check(t, r.Works(lab.Patience))
			if told := p.Matching(lab.Said("no echo probes, keepalives watch the connection")); len(told) != 1 {
				t.Errorf("said %d times, want once", len(told))
			}
		})
	}
}

var isSuspect = func(l lab.Line) bool { return l.Field("state") == "suspect" }

// withoutNames returns the words that start a server where no name of a host is known, not even localhost.
func withoutNames(t *testing.T, server *lab.Sshd) []string {
	t.Helper()
	lab.NeedRoot(t, "a mount namespace of its own for sshd")
	lab.Need(t, "unshare", "mount")
	if out, err := exec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
		t.Skipf("needs a mount namespace: %s", out)
	}
	lab.WriteFile(t, server.Path("hosts"), "")
	lab.WriteFile(t, server.Path("nsswitch.conf"), "passwd: files\ngroup: files\nshadow: files\nhosts: files\n")
	return []string{"unshare", "-m", "sh", "-c",
		`mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf && exec "$@"`, server.Dir}
}
