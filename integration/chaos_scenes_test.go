package integration

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"
)

// scene is a stage: a server, a way to it that can be spoiled, and clients at both ends.
type scene struct {
	lab        *lab
	configure  func(lines ...string)                 // writes the alias anew
	near, far  dialer                                // for the clients of L and D at tunneld's side, and of R at the server's
	nearEnd    func(serve func(*net.TCPConn)) string // opens a target at tunneld's side
	farEnd     func(serve func(*net.TCPConn)) string // and at the server's
	child      *child                                // tunneld
	turn       int                                   // of the configuration
	calamities []calamity
}

// dialer connects as net.Dial does.
type dialer func(address string) (net.Conn, error)

// calamity is something that happens.
type calamity struct {
	name     string
	begin    func()
	end      func()        // nil: there is nothing to undo
	shortest time.Duration // between the two
	longest  time.Duration
	planned  bool // asked for: no connection may fail
}

func once(name string, begin func()) calamity { return calamity{name: name, begin: begin} }

func planned(name string, begin func()) calamity {
	return calamity{name: name, begin: begin, planned: true}
}

func lasting(name string, begin, end func()) calamity {
	return calamity{name: name, begin: begin, end: end, shortest: 50 * time.Millisecond, longest: 3 * time.Second}
}

// common is what happens to servers and to tunneld wherever they are.
func (s *scene) common() []calamity {
	server := s.lab.server
	var frozen processes
	return []calamity{
		planned("asked to reconnect (USR1)", func() { s.child.signal(syscall.SIGUSR1) }),
		planned("configuration changed (HUP)", func() {
			s.turn++
			s.configure(append(chaosOptions, fmt.Sprint("ConnectionAttempts ", 1+s.turn%2))...)
			s.child.signal(syscall.SIGHUP)
		}),
		once("sessions killed", server.killSessions),
		lasting("server killed, later started", server.kill, server.start),
		lasting("server frozen", func() { frozen = server.freeze() }, func() { server.thaw(frozen) }),
		lasting("tunneld stopped", func() { s.child.signal(syscall.SIGSTOP) }, func() { s.child.signal(syscall.SIGCONT) }),
	}
}

// relayScene has everything on 127.0.0.1, and a relay before the server.
func relayScene(t *testing.T) *scene {
	server := startSSHD(t, chaosServer...)
	r := startRelay(t, server.address())
	l := &lab{t: t, server: server, relay: r, account: newAccount(t)}
	server.authorize(l.account.key)
	l.account.trust(r.address(), server.hostKey)
	dial := func(address string) (net.Conn, error) { return net.DialTimeout("tcp", address, chaosStuck) }
	target := func(serve func(*net.TCPConn)) string { return startTarget(t, serve).address() }
	s := &scene{
		lab: l, configure: func(lines ...string) { l.options(lines...) },
		near: dial, far: dial, nearEnd: target, farEnd: target,
	}
	s.calamities = append(s.common(),
		once("cut", r.cut),
		once("hung up", r.hangUp),
		lasting("frozen", func() { r.freeze() }, r.thaw),
		calamity{"frozen for long", func() { r.freeze() }, r.thaw, 4 * time.Second, 5 * time.Second, false},
		lasting("frozen towards the server", func() { r.freeze(toServer) }, r.thaw),
		lasting("frozen towards us", func() { r.freeze(toClient) }, r.thaw),
		lasting("port refused", func() { r.shut(); r.cut() }, r.open),
		lasting("accepts and hangs up", func() { r.setRefuse(true); r.cut() }, func() { r.setRefuse(false) }),
		lasting("mute in the key exchange", func() { r.setMute(true); r.cut() }, func() { r.setMute(false) }),
		lasting("slow, cut twice", func() { r.setDelay(100 * time.Millisecond); r.cut() }, func() { r.setDelay(0); r.cut() }),
		lasting("half-open", func() { r.freeze(); server.killSessions() }, r.thaw),
	)
	return s
}

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
		calamity{"packets dropped for long", n.drop, n.pass, 4 * time.Second, 6 * time.Second, false},
		lasting("half-open: restarted behind a broken cable", func() { n.drop(); server.kill(); server.start() }, n.pass),
		lasting("port refused", func() { n.refuse(server.port); server.killSessions() }, n.pass),
	)
	return s
}

// subnet is what both ends of the cable are in.
func (n *network) subnet() string {
	_, subnet, _ := net.ParseCIDR(n.own + "/24")
	return subnet.String()
}

// refuse answers every connection from the client to a port with a reset, until pass.
func (n *network) refuse(port int) {
	n.t.Helper()
	n.in(n.client, "nft", fmt.Sprintf(`table inet cut {
		chain out { type filter hook output priority 0; oifname "%s" tcp dport %d ct state new reject with tcp reset; }
	}`, n.link, port))
}
