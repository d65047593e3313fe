package integration

import (
	"fmt"
	"net"
	"strings"
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
	planned  bool          // asked for: no connection may fail
	seldom   time.Duration // it takes long, so that this is how much time passes before and between; 0: none
}

func once(name string, begin func()) calamity { return calamity{name: name, begin: begin} }

func planned(name string, begin func()) calamity {
	return calamity{name: name, begin: begin, planned: true}
}

func lasting(name string, begin, end func()) calamity {
	return calamity{name: name, begin: begin, end: end, shortest: 50 * time.Millisecond, longest: 3 * time.Second}
}

// forLong is lasting for longer than it takes to give a connection up.
func forLong(name string, begin, end func()) calamity {
	return calamity{name: name, begin: begin, end: end, shortest: 4 * time.Second, longest: 6 * time.Second}
}

// common is what happens to servers and to tunneld wherever they are.
func (s *scene) common() []calamity {
	server := s.lab.server
	var frozen processes
	return []calamity{
		s.reconnect(),
		s.reload(),
		once("sessions killed", server.killSessions),
		lasting("server killed, later started", server.kill, server.start),
		lasting("server frozen", func() { frozen = server.freeze() }, func() { server.thaw(frozen) }),
		s.stopped(),
		s.keysUsedUp(),
	}
}

func (s *scene) reconnect() calamity {
	return planned("asked to reconnect (USR1)", func() { s.child.signal(syscall.SIGUSR1) })
}

func (s *scene) reload() calamity {
	return planned("configuration changed (HUP)", func() {
		s.turn++
		s.configure(append(chaosOptions, fmt.Sprint("ConnectionAttempts ", 1+s.turn%2))...)
		s.child.signal(syscall.SIGHUP)
	})
}

// stopped has tunneld not run for a while.
func (s *scene) stopped() calamity {
	return lasting("tunneld stopped", func() { s.child.signal(syscall.SIGSTOP) }, func() { s.child.signal(syscall.SIGCONT) })
}

// keysUsedUp leaves everything in peace until the connection is replaced because of RekeyLimit, which chaosOptions have. That
// takes tunneld a minute at least.
func (s *scene) keysUsedUp() calamity {
	c := planned("keys used up (RekeyLimit)", func() {
		s.child.waitLine(s.lab.t, s.child.mark(), 2*time.Minute, "replaced for RekeyLimit", func(l line) bool {
			return l.field("msg") == "replaced" && strings.HasPrefix(l.field("why"), "RekeyLimit")
		})
	})
	c.seldom = 4 * time.Minute
	return c
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
		forLong("frozen for long", func() { r.freeze() }, r.thaw),
		lasting("frozen towards the server", func() { r.freeze(toServer) }, r.thaw),
		lasting("frozen towards us", func() { r.freeze(toClient) }, r.thaw),
		lasting("port refused", func() { r.shut(); r.cut() }, r.open),
		lasting("accepts and hangs up", func() { r.setRefuse(true); r.cut() }, func() { r.setRefuse(false) }),
		lasting("mute in the key exchange", func() { r.setMute(true); r.cut() }, func() { r.setMute(false) }),
		lasting("slow, cut twice", func() { r.setDelay(100 * time.Millisecond); r.cut() }, func() { r.setDelay(0); r.cut() }),
		lasting("half-open", func() { r.freeze(); server.killSessions() }, r.thaw),
		once("damaged on the way to the server", func() { r.damage(toServer) }),
		once("damaged on the way to us", func() { r.damage(toClient) }),
	)
	return s
}

// gatewayScene has a server that dies as broken servers do, while both ends of the connection live on.
func gatewayScene(t *testing.T) *scene {
	g := startRawGateway(t)
	r := startRelay(t, g.server.address())
	l := &lab{t: t, relay: r, account: newAccount(t)}
	l.account.trust(r.address(), g.server.hostKey)
	dial := func(address string) (net.Conn, error) { return net.DialTimeout("tcp", address, chaosStuck) }
	target := func(serve func(*net.TCPConn)) string { return startTarget(t, serve).address() }
	s := &scene{
		lab: l, configure: func(lines ...string) { l.options(lines...) },
		near: dial, far: dial, nearEnd: target, farEnd: target,
	}
	s.calamities = []calamity{s.reconnect(), s.reload(), s.stopped(), s.keysUsedUp(), once("cut", r.cut), once("damaged on the way to us", func() { r.damage(toClient) })}
	for _, d := range deaths {
		count := 0
		s.calamities = append(s.calamities, once(d.name, func() { count++; g.die(d.die, count) }))
	}
	return s
}
