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

// dnsServer starts one where tunneld looks for it.
func (n *network) dnsServer(address string) *dnsServer {
	n.t.Helper()
	var conn net.PacketConn
	var err error
	n.inside(n.client, func() { conn, err = net.ListenPacket("udp4", "127.0.0.1:53") })
	if err != nil {
		n.t.Fatal(err)
	}
	addr, _ := netip.ParseAddr(address)
	s := startDNSServer(conn, addr)
	n.t.Cleanup(s.stop)
	return s
}

// waitServed waits until bytes go through a listener of tunneld's in its namespace.
func (n *network) waitServed(c *child, r route) {
	n.t.Helper()
	eventually(n.t, patience, "bytes through the tunnel", func() bool {
		conn, err := n.dial(r.address)
		if err != nil {
			return false
		}
		defer conn.Close()
		return exchange(conn, "hello", patience/10) == nil
	})
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
