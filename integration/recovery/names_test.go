package recovery

import (
	"github.com/tunneld/tunneld/integration/lab"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

const lateName = "late.example"

// namesLab is a networkLab whose server is known by a name alone, and tunneld asks a name server at 127.0.0.1, which is
// not there yet.
func namesLab(t *testing.T, sshd ...string) (*lab.Network, *lab.Lab) {
	t.Helper()
	lab.Need(t, "unshare", "mount")
	n, l := networkLab(t)
	l.Server.Kill()
	l.Server.Configure(append(sshd, "ListenAddress "+n.Address)...)
	l.Server.Start()
	a := l.Account
	a.Forget()
	a.Trust(net.JoinHostPort(lateName, portOf(l.Server.Address())), l.Server.HostKey)
	a.Host(lab.Alias, l.Server.Port, "HostName "+lateName, "ServerAliveInterval 1", "ConnectTimeout 5")
	resolv := a.Path("resolv.conf")
	lab.WriteFile(t, resolv, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
	if err := os.Chmod(resolv, 0o644); err != nil {
		t.Fatal(err)
	}
	l.Prefix = append(l.Prefix, "unshare", "-m", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, resolv)
	return n, l
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// At boot tunneld may be there before the name server is, and before the name server knows the name.
func TestNamesThatComeLate(t *testing.T) {
	t.Parallel()
	n, l := namesLab(t)
	r := lab.LocalRoute(t, lab.StartTargetOn(t, n.Listen(), lab.Echo).Address())
	c := l.Start(lab.Tunneld, append(r.Flags, lab.Hasty...)...)
	lab.WaitFailed(t, c, 2) // nobody answers on port 53
	names := n.DnsServer("")
	from := c.Mark()
	unknown := c.WaitLine(t, from, lab.Patience, "no such name", func(l lab.Line) bool {
		return lab.IsFailed(l) && names.Questions() > 0 && strings.Contains(l.Field("err"), "no such host")
	})
	if unknown.Field("phase") != "dial" || !strings.Contains(unknown.Field("err"), lateName) || unknown.Field("hint") == "" {
		t.Errorf("the log does not say what is wrong and what to do: %s", unknown.Text)
	}
	names.Move(netip.MustParseAddr(n.Address))
	n.WaitServed(c, r)
}

// A server that moved is found at its new address by the first attempt that can find it.
func TestNamesThatMove(t *testing.T) {
	t.Parallel()
	n, l := namesLab(t)
	elsewhere := n.Address + "1" // 10.99.N.11
	n.In(n.Server, "ip", "address", "add", elsewhere+"/24", "dev", n.Link)
	l.Server.Kill()
	l.Server.Configure("ListenAddress "+n.Address, "ListenAddress "+elsewhere)
	l.Server.Start()
	names := n.DnsServer(n.Address)
	r := lab.LocalRoute(t, lab.StartTargetOn(t, n.ListenAt(n.Server, lab.Loopback(0)), lab.Echo).Address())
	c := l.Start(lab.Tunneld, append(r.Flags, lab.Hasty...)...)
	lab.WaitUp(t, c, 0)
	from := c.Mark()
	n.In(n.Server, "ip", "address", "del", n.Address+"/24", "dev", n.Link)
	n.In(n.Server, "ip", "address", "add", elsewhere+"/24", "dev", n.Link)
	lab.WaitLost(t, c, from, lab.Patience)
	names.Move(netip.MustParseAddr(elsewhere))
	lab.WaitUp(t, c, from)
	n.WaitServed(c, r)
}
