package integration

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

const lateName = "late.example"

// namesLab is a networkLab whose server is known by a name alone, and tunneld asks a name server at 127.0.0.1, which is
// not there yet.
func namesLab(t *testing.T, sshd ...string) (*network, *lab) {
	t.Helper()
	need(t, "unshare", "mount")
	n, l := networkLab(t)
	l.server.kill()
	l.server.configure(append(sshd, "ListenAddress "+n.address)...)
	l.server.start()
	a := l.account
	a.forget()
	a.trust(net.JoinHostPort(lateName, portOf(l.server.address())), l.server.hostKey)
	a.host(alias, l.server.port, "HostName "+lateName, "ServerAliveInterval 1", "ConnectTimeout 5")
	resolv := a.path("resolv.conf")
	writeFile(t, resolv, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
	if err := os.Chmod(resolv, 0o644); err != nil {
		t.Fatal(err)
	}
	l.prefix = append(l.prefix, "unshare", "-m", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, resolv)
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
	r := localRoute(t, startTargetOn(t, n.listen(), echo).address())
	c := l.start(tunneld, append(r.flags, hasty...)...)
	waitFailed(t, c, 2) // nobody answers on port 53
	names := n.dnsServer("")
	from := c.mark()
	unknown := c.waitLine(t, from, patience, "no such name", func(l line) bool {
		return isFailed(l) && names.questions() > 0 && strings.Contains(l.field("err"), "no such host")
	})
	if unknown.field("phase") != "dial" || !strings.Contains(unknown.field("err"), lateName) || unknown.field("hint") == "" {
		t.Errorf("the log does not say what is wrong and what to do: %s", unknown.text)
	}
	names.move(netip.MustParseAddr(n.address))
	n.waitServed(c, r)
}

// A server that moved is found at its new address by the first attempt that can find it.
func TestNamesThatMove(t *testing.T) {
	t.Parallel()
	n, l := namesLab(t)
	elsewhere := n.address + "1" // 10.99.N.11
	n.in(n.server, "ip", "address", "add", elsewhere+"/24", "dev", n.link)
	l.server.kill()
	l.server.configure("ListenAddress "+n.address, "ListenAddress "+elsewhere)
	l.server.start()
	names := n.dnsServer(n.address)
	r := localRoute(t, startTargetOn(t, n.listenAt(n.server, loopback(0)), echo).address())
	c := l.start(tunneld, append(r.flags, hasty...)...)
	waitUp(t, c, 0)
	from := c.mark()
	n.in(n.server, "ip", "address", "del", n.address+"/24", "dev", n.link)
	n.in(n.server, "ip", "address", "add", elsewhere+"/24", "dev", n.link)
	waitLost(t, c, from, patience)
	names.move(netip.MustParseAddr(elsewhere))
	waitUp(t, c, from)
	n.waitServed(c, r)
}
