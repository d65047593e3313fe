package integration

import (
	"fmt"
	"net"
	"testing"
)

// networkScene has tunneld in one network namespace and the server in another, with a cable between.
func networkScene(t *testing.T) *scene {
	n := newNetwork(t)
	need(t, "nft")
	server := n.startSSHD(chaosServer...)
	a := newAccount(t)
	server.authorize(a.key)
	a.trust(net.JoinHostPort(n.address, fmt.Sprint(server.port)), server.hostKey)
	dialIn := func(space string) dialer {
		return func(address string) (conn net.Conn, err error) {
			n.inside(space, func() { conn, err = net.DialTimeout("tcp", address, chaosStuck) })
			return conn, err
		}
	}
	targetIn := func(space string) func(func(*net.TCPConn)) string {
		return func(serve func(*net.TCPConn)) string {
			return startTargetOn(t, n.listenAt(space, loopback(0)), serve).address()
		}
	}
	s := &scene{
		lab: &lab{t: t, server: server, account: a, prefix: []string{"ip", "netns", "exec", n.client}},
		configure: func(lines ...string) {
			a.forget()
			a.host(alias, server.port, append([]string{"HostName " + n.address}, lines...)...)
		},
		near: dialIn(n.client), far: dialIn(n.server), nearEnd: targetIn(n.client), farEnd: targetIn(n.server),
	}
	ip := func(space string, words ...string) func() {
		return func() { n.in(space, append([]string{"ip"}, words...)...) }
	}
	own, other := n.own+"/24", n.own+"2/24" // 10.99.N.2 and .22
	s.calamities = append(s.common(),
		lasting("link down", ip(n.client, "link", "set", n.link, "down"), ip(n.client, "link", "set", n.link, "up")),
		lasting("far end's link down", ip(n.server, "link", "set", n.link, "down"), ip(n.server, "link", "set", n.link, "up")),
		lasting("address gone", ip(n.client, "address", "del", own, "dev", n.link), ip(n.client, "address", "add", own, "dev", n.link)),
		lasting("address changed", func() {
			n.in(n.client, "ip", "address", "del", own, "dev", n.link)
			n.in(n.client, "ip", "address", "add", other, "dev", n.link)
		}, func() {
			n.in(n.client, "ip", "address", "flush", "dev", n.link)
			n.in(n.client, "ip", "address", "add", own, "dev", n.link)
		}),
		lasting("route gone", ip(n.client, "route", "del", n.subnet(), "dev", n.link), ip(n.client, "route", "add", n.subnet(), "dev", n.link)),
		lasting("packets dropped", n.drop, n.pass),
		forLong("packets dropped for long", n.drop, n.pass),
		lasting("half-open: restarted behind a broken cable", func() { n.drop(); server.kill(); server.start() }, n.pass),
		lasting("port refused", func() { n.refuse(server.port); server.killSessions() }, n.pass),
	)
	return s
}
