package chaos

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"net"
	"testing"
)

// networkScene has tunneld in one network namespace and the server in another, with a cable between.
func networkScene(t *testing.T) *scene {
	n := lab.NewNetwork(t)
	lab.Need(t, "nft")
	server := n.StartSSHD(chaosServer...)
	a := lab.NewAccount(t)
	server.Authorize(a.Key)
	a.Trust(net.JoinHostPort(n.Address, fmt.Sprint(server.Port)), server.HostKey)
	dialIn := func(space string) dialer {
		return func(address string) (conn net.Conn, err error) {
			n.Inside(space, func() { conn, err = net.DialTimeout("tcp", address, chaosStuck) })
			return conn, err
		}
	}
	targetIn := func(space string) func(func(*net.TCPConn)) string {
		return func(serve func(*net.TCPConn)) string {
			return lab.StartTargetOn(t, n.ListenAt(space, lab.Loopback(0)), serve).Address()
		}
	}
	s := &scene{
		lab: &lab.Lab{T: t, Server: server, Account: a, Prefix: []string{"ip", "netns", "exec", n.Client}},
		configure: func(lines ...string) {
			a.Forget()
			a.Host(lab.Alias, server.Port, append([]string{"HostName " + n.Address}, lines...)...)
		},
		near: dialIn(n.Client), far: dialIn(n.Server), nearEnd: targetIn(n.Client), farEnd: targetIn(n.Server),
	}
	ip := func(space string, words ...string) func() {
		return func() { n.In(space, append([]string{"ip"}, words...)...) }
	}
	own, other := n.Own+"/24", n.Own+"2/24" // 10.99.N.2 and .22
	s.calamities = append(s.common(),
		lasting("link down", ip(n.Client, "link", "set", n.Link, "down"), ip(n.Client, "link", "set", n.Link, "up")),
		lasting("far end's link down", ip(n.Server, "link", "set", n.Link, "down"), ip(n.Server, "link", "set", n.Link, "up")),
		lasting("address gone", ip(n.Client, "address", "del", own, "dev", n.Link), ip(n.Client, "address", "add", own, "dev", n.Link)),
		lasting("address changed", func() {
			n.In(n.Client, "ip", "address", "del", own, "dev", n.Link)
			n.In(n.Client, "ip", "address", "add", other, "dev", n.Link)
		}, func() {
			n.In(n.Client, "ip", "address", "flush", "dev", n.Link)
			n.In(n.Client, "ip", "address", "add", own, "dev", n.Link)
		}),
		lasting("route gone", ip(n.Client, "route", "del", n.Subnet(), "dev", n.Link), ip(n.Client, "route", "add", n.Subnet(), "dev", n.Link)),
		lasting("packets dropped", n.Drop, n.Pass),
		forLong("packets dropped for long", n.Drop, n.Pass),
		lasting("half-open: restarted behind a broken cable", func() { n.Drop(); server.Kill(); server.Start() }, n.Pass),
		lasting("port refused", func() { n.Refuse(server.Port); server.KillSessions() }, n.Pass),
	)
	return s
}
