package tunnel

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// peer is an SSH server inside the test, which can be told to misbehave. integration/ has the real ones.
type peer struct {
	t      *testing.T
	config *ssh.ServerConfig
	l      net.Listener

	// onListen decides a tcpip-forward request: the port to listen on, or false to refuse. nil: as asked.
	onListen func(host string, port uint32) (uint32, bool)
	// beforeReply is called when the listener of a tcpip-forward request stands and before the client is told.
	beforeReply func(address string)
	// mute has no global request answered; onRequest gets each first, where it is not nil.
	mute      bool
	onRequest func(*ssh.Request)
	// portless names a port that was asked for as 0 so in each connection to it.
	portless bool
	// onConn gets each connection that is authenticated; may be nil.
	onConn func(*ssh.ServerConn)
	// onOpen gets each channel; nil: direct-tcpip is connected.
	onOpen func(ssh.NewChannel)

	mu    sync.Mutex // guards all following fields
	conns []net.Conn
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, config: &ssh.ServerConfig{NoClientAuth: true}}
	p.config.AddHostKey(signer)
	p.l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go p.serve()
	t.Cleanup(func() {
		p.l.Close()
		p.cut()
	})
	return p
}

func (p *peer) serve() {
	for {
		conn, err := p.l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns = append(p.conns, conn)
		p.mu.Unlock()
		go p.serveConn(conn)
	}
}

// cut resets every connection.
func (p *peer) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		reset(conn)
	}
	p.conns = nil
}

func (p *peer) serveConn(conn net.Conn) {
	defer conn.Close()
	sc, chans, reqs, err := ssh.NewServerConn(conn, p.config)
	if err != nil {
		return
	}
	if p.onConn != nil {
		p.onConn(sc)
	}
	go p.serveRequests(sc, reqs)
	for c := range chans {
		if p.onOpen != nil {
			go p.onOpen(c)
			continue
		}
		go p.connect(c)
	}
}

func (p *peer) connect(c ssh.NewChannel) {
	var m directTCP
	if c.ChannelType() != "direct-tcpip" || ssh.Unmarshal(c.ExtraData(), &m) != nil {
		c.Reject(ssh.UnknownChannelType, "")
		return
	}
	target, err := net.Dial("tcp", net.JoinHostPort(m.Host, strconv.Itoa(int(m.Port))))
	if err != nil {
		c.Reject(ssh.ConnectionFailed, "Connection refused")
		return
	}
	ch, reqs, err := c.Accept()
	if err != nil {
		target.Close()
		return
	}
	joinPeer(target.(*net.TCPConn), ch, reqs)
}

func joinPeer(target *net.TCPConn, ch ssh.Channel, reqs <-chan *ssh.Request) {
	go ssh.DiscardRequests(reqs)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.Copy(ch, target)
		ch.CloseWrite()
	}()
	io.Copy(target, ch)
	target.CloseWrite()
	<-sent
	target.Close()
	ch.Close()
}

func (p *peer) serveRequests(sc *ssh.ServerConn, reqs <-chan *ssh.Request) {
	listeners := map[uint32]net.Listener{}
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	for r := range reqs {
		var m tcpipForward
		if p.onRequest != nil {
			p.onRequest(r)
		}
		switch {
		case p.mute:
		case r.Type == "tcpip-forward" && ssh.Unmarshal(r.Payload, &m) == nil:
			asked, ok := m.Port, true
			if p.onListen != nil {
				asked, ok = p.onListen(m.Host, m.Port)
			}
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(asked))))
			if !ok || err != nil {
				r.Reply(false, nil)
				continue
			}
			port := uint32(l.Addr().(*net.TCPAddr).Port)
			listeners[port] = l
			named := port
			if p.portless {
				named = m.Port
			}
			go p.forward(sc, l, m.Host, named)
			if p.beforeReply != nil {
				p.beforeReply(l.Addr().String())
			}
			r.Reply(true, ssh.Marshal(tcpipForwardReply{port}))
		case r.Type == "cancel-tcpip-forward" && ssh.Unmarshal(r.Payload, &m) == nil && listeners[m.Port] != nil:
			listeners[m.Port].Close()
			delete(listeners, m.Port)
			r.Reply(true, nil)
		default:
			r.Reply(false, nil)
		}
	}
}

func (p *peer) forward(sc *ssh.ServerConn, l net.Listener, host string, port uint32) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			ch, reqs, err := sc.OpenChannel("forwarded-tcpip", ssh.Marshal(forwardedTCP{host, port, "127.0.0.1", 1}))
			if err != nil {
				conn.Close()
				return
			}
			joinPeer(conn.(*net.TCPConn), ch, reqs)
		}()
	}
}

// session connects to the peer without the dialer.
func (p *peer) session(echo config.Echo) *Session {
	p.t.Helper()
	s, err := p.trySession(echo)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

func (p *peer) trySession(echo config.Echo) (*Session, error) {
	conn, err := net.Dial("tcp", p.l.Addr().String())
	if err != nil {
		return nil, err
	}
	w := newWire(conn)
	sc, chans, reqs, err := ssh.NewClientConn(w, "peer:22", &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		w.Close()
		return nil, err
	}
	l := &link{conn: sc, chans: chans, reqs: reqs, wire: w, info: Server{Host: "peer"}}
	l.guard()
	return newSession(p.t.Context(), l, echo, quiet()), nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// eventually polls until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// target is a TCP server on loopback that hands each connection to serve.
func target(t *testing.T, serve func(*net.TCPConn)) config.Endpoint {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn.(*net.TCPConn))
			}()
		}
	}()
	return config.Endpoint{Host: "127.0.0.1", HostSet: true, Port: l.Addr().(*net.TCPAddr).Port}
}

func echoBytes(conn *net.TCPConn) { io.Copy(conn, conn) }

// anyPort is a local listener whose port the kernel chooses.
func anyPort() config.Endpoint { return config.Endpoint{Host: "127.0.0.1", HostSet: true} }

// newTestTunnel listens for forwards; it is shut down with the test.
func newTestTunnel(t *testing.T, o *config.Options) *Tunnel {
	t.Helper()
	tun := New(o, nil, quiet())
	if err := tun.Listen(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		tun.Shutdown(ctx)
	})
	return tun
}

func (t *Tunnel) boundAt(n int) string { return t.Forwards()[n].Bound[0] }
