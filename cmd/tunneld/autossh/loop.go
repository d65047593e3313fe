package autossh

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	spec "github.com/tunneld/tunneld/config/autossh"
)

// Path is a connection to the server; *tunnel.Session.
type Path interface {
	ListenBack(ctx context.Context, port int, target string) (bound int, giveUp func(context.Context) error, err error)
	Carry(ctx context.Context, conn *net.TCPConn, port int) error
	Done() <-chan struct{}
}

// Loop is what -M asks for: port P here is carried to port P at the server, which leads back to port P+1 here; or to an echo
// service there. Both listeners here live as long as the Loop, that at the server as long as a connection.
type Loop struct {
	log      *Log
	name     string
	monitor  spec.Monitor
	settings spec.Settings
	write    *net.TCPListener
	write6   *net.TCPListener // the same port of ::1, as ssh has it; nil: there is none
	read     listener         // nil with an echo service
	enter    func(context.Context) (net.Conn, error)
	carrying sync.WaitGroup
	stop     context.CancelFunc

	mu     sync.Mutex // guards all following fields
	path   Path       // nil: there is none
	port   int        // at the server
	newest *watch     // nil: there was none
}

// listener is a net.Listener that does not wait for ever.
type listener interface {
	net.Listener
	SetDeadline(time.Time) error
}

// OpenLoop listens on the monitor ports; nil where monitoring is off. One that is taken is replaced by a free one, with a warning.
// Where nobody named one, c gets the one that is chosen. The caller closes the Loop; the end of ctx cuts its connections.
func OpenLoop(ctx context.Context, c *spec.Command, log *Log) (*Loop, error) {
	if !c.Monitor.On() {
		return nil, nil
	}
	if m := &c.Monitor; m.Automatic {
		m.Port = spec.ChoosePort(rand.IntN, portTaken)
	}
	if c.Monitor.Port == 0 {
		return nil, &spec.Refusal{Text: "unable to find a suitable tunnel port", Hint: "name one with -M, or switch monitoring off with -M 0"}
	}
	ctx, stop := context.WithCancel(ctx)
	l := &Loop{log: log, name: c.Name, monitor: c.Monitor, settings: c.Settings, stop: stop}
	var err error
	if l.write, err = l.listen(c.Monitor.Port); err == nil && c.Monitor.EchoPort == 0 {
		var read *net.TCPListener
		if read, err = l.listen(c.Monitor.ReadPort()); err == nil {
			l.read = read
		}
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	l.enter = func(ctx context.Context) (net.Conn, error) {
		dialer := net.Dialer{Timeout: l.settings.NetTimeout}
		return dialer.DialContext(ctx, "tcp4", l.write.Addr().String())
	}
	l.carrying.Go(func() { l.serve(ctx, l.write) })
	// Without it, a server that is this machine would listen there and take its own connections for ours.
	if l.write6, err = net.ListenTCP("tcp6", &net.TCPAddr{IP: net.IPv6loopback, Port: portOf(l.write)}); err == nil {
		l.carrying.Go(func() { l.serve(ctx, l.write6) })
	}
	return l, nil
}

// portTaken reports whether somebody listens on a port of the loopback.
func portTaken(port int) bool {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err == nil {
		l.Close()
	}
	return err != nil
}

func (l *Loop) listen(port int) (*net.TCPListener, error) {
	at := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	listener, err := net.ListenTCP("tcp4", at)
	if err == nil || port == 0 {
		return listener, err
	}
	l.log.Say(spec.BindFailed(port, Reason(err)))
	listener, err = l.listen(0)
	if err == nil {
		l.warn("monitor port %d is taken here, %d is used in its place", port, portOf(listener))
	}
	return listener, err
}

func portOf(l *net.TCPListener) int { return l.Addr().(*net.TCPAddr).Port }

// warn logs what autossh has no words for.
func (l *Loop) warn(format string, args ...any) {
	l.say("warning: "+format, args...)
}

func (l *Loop) say(format string, args ...any) {
	l.log.Say(spec.Entry{Level: spec.LevelInfo, Text: fmt.Sprintf(format, args...)})
}

// Close ends the listeners and all connections through them. A nil Loop has none.
func (l *Loop) Close() {
	if l == nil {
		return
	}
	l.stop()
	l.mu.Lock()
	newest := l.newest
	l.mu.Unlock()
	if newest != nil {
		newest.end()
	}
	for _, listener := range []*net.TCPListener{l.write, l.write6} {
		if listener != nil {
			listener.Close()
		}
	}
	if l.read != nil {
		l.read.Close()
	}
	l.carrying.Wait()
}

// maxCarried bounds the connections through the write port: one that leads to itself would else have no end.
const maxCarried = 32

// serve carries what connects to the write port.
func (l *Loop) serve(ctx context.Context, listener *net.TCPListener) {
	room := make(chan struct{}, maxCarried)
	for {
		conn, err := listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-time.After(100 * time.Millisecond): // descriptors are scarce
				continue
			case <-ctx.Done():
				return
			}
		}
		path, port := l.way()
		if path != nil {
			select {
			case room <- struct{}{}:
			default:
				path = nil
			}
		}
		if path == nil {
			conn.SetLinger(0)
			conn.Close()
			continue
		}
		l.carrying.Go(func() {
			defer func() { <-room }()
			var refused *ssh.OpenChannelError
			if err := path.Carry(ctx, conn, port); errors.As(err, &refused) {
				l.log.SSH(Error, refusedWords(refused))
			}
		})
	}
}

func (l *Loop) use(path Path, port int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.path, l.port = path, port
}

// way returns where the write port leads; nil: nowhere.
func (l *Loop) way() (Path, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.path, l.port
}

// leave forgets a path, unless another is in its place already.
func (l *Loop) leave(path Path) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.path == path {
		l.path = nil
	}
}
