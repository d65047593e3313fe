package chaos

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// scene is a stage: a server, a way to it that can be spoiled, and clients at both ends.
type scene struct {
	lab        *lab.Lab
	configure  func(lines ...string)                 // writes the alias anew
	near, far  dialer                                // for the clients of L and D at tunneld's side, and of R at the server's
	nearEnd    func(serve func(*net.TCPConn)) string // opens a target at tunneld's side
	farEnd     func(serve func(*net.TCPConn)) string // and at the server's
	child      *lab.Child                            // tunneld
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
	server := s.lab.Server
	var frozen lab.Processes
	return []calamity{
		s.reconnect(),
		s.reload(),
		once("sessions killed", server.KillSessions),
		lasting("server killed, later started", server.Kill, server.Start),
		lasting("server frozen", func() { frozen = server.Freeze() }, func() { server.Thaw(frozen) }),
		s.stopped(),
		s.keysUsedUp(),
	}
}

func (s *scene) reconnect() calamity {
	return planned("asked to reconnect (USR1)", func() { s.child.Signal(syscall.SIGUSR1) })
}

func (s *scene) reload() calamity {
	return planned("configuration changed (HUP)", func() {
		s.turn++
		s.configure(append(chaosOptions, fmt.Sprint("ConnectionAttempts ", 1+s.turn%2))...)
		s.child.Signal(syscall.SIGHUP)
	})
}

// stopped has tunneld not run for a while.
func (s *scene) stopped() calamity {
	return lasting("tunneld stopped", func() { s.child.Signal(syscall.SIGSTOP) }, func() { s.child.Signal(syscall.SIGCONT) })
}

// keysUsedUp leaves everything in peace until the connection is replaced because of RekeyLimit, which chaosOptions have. That
// takes tunneld a minute at least.
func (s *scene) keysUsedUp() calamity {
	c := planned("keys used up (RekeyLimit)", func() {
		s.child.WaitLine(s.lab.T, s.child.Mark(), 2*time.Minute, "replaced for RekeyLimit", func(l lab.Line) bool {
			return l.Field("msg") == "replaced" && strings.HasPrefix(l.Field("why"), "RekeyLimit")
		})
	})
	c.seldom = 4 * time.Minute
	return c
}

// relayScene has everything on 127.0.0.1, and a relay before the server.
func relayScene(t *testing.T) *scene {
	server := lab.StartSSHD(t, chaosServer...)
	r := lab.StartRelay(t, server.Address())
	l := &lab.Lab{T: t, Server: server, Relay: r, Account: lab.NewAccount(t)}
	server.Authorize(l.Account.Key)
	l.Account.Trust(r.Address(), server.HostKey)
	dial := func(address string) (net.Conn, error) { return net.DialTimeout("tcp", address, chaosStuck) }
	target := func(serve func(*net.TCPConn)) string { return lab.StartTarget(t, serve).Address() }
	s := &scene{
		lab: l, configure: func(lines ...string) { l.Options(lines...) },
		near: dial, far: dial, nearEnd: target, farEnd: target,
	}
	s.calamities = append(s.common(),
		once("cut", r.Cut),
		once("hung up", r.HangUp),
		lasting("frozen", func() { r.Freeze() }, r.Thaw),
		forLong("frozen for long", func() { r.Freeze() }, r.Thaw),
		lasting("frozen towards the server", func() { r.Freeze(lab.ToServer) }, r.Thaw),
		lasting("frozen towards us", func() { r.Freeze(lab.ToClient) }, r.Thaw),
		lasting("port refused", func() { r.Shut(); r.Cut() }, r.Open),
		lasting("accepts and hangs up", func() { r.SetRefuse(true); r.Cut() }, func() { r.SetRefuse(false) }),
		lasting("mute in the key exchange", func() { r.SetMute(true); r.Cut() }, func() { r.SetMute(false) }),
		lasting("slow, cut twice", func() { r.SetDelay(100 * time.Millisecond); r.Cut() }, func() { r.SetDelay(0); r.Cut() }),
		lasting("half-open", func() { r.Freeze(); server.KillSessions() }, r.Thaw),
		once("damaged on the way to the server", func() { r.Damage(lab.ToServer) }),
		once("damaged on the way to us", func() { r.Damage(lab.ToClient) }),
	)
	return s
}

// gatewayScene has a server that dies as broken servers do, while both ends of the connection live on.
func gatewayScene(t *testing.T) *scene {
	g := lab.StartRawGateway(t)
	r := lab.StartRelay(t, g.Server.Address())
	l := &lab.Lab{T: t, Relay: r, Account: lab.NewAccount(t)}
	l.Account.Trust(r.Address(), g.Server.HostKey)
	dial := func(address string) (net.Conn, error) { return net.DialTimeout("tcp", address, chaosStuck) }
	target := func(serve func(*net.TCPConn)) string { return lab.StartTarget(t, serve).Address() }
	s := &scene{
		lab: l, configure: func(lines ...string) { l.Options(lines...) },
		near: dial, far: dial, nearEnd: target, farEnd: target,
	}
	s.calamities = []calamity{s.reconnect(), s.reload(), s.stopped(), s.keysUsedUp(), once("cut", r.Cut), once("damaged on the way to us", func() { r.Damage(lab.ToClient) })}
	for _, d := range lab.Deaths {
		count := 0
		s.calamities = append(s.calamities, once(d.Name, func() { count++; g.Die(d.Die, count) }))
	}
	return s
}
