package lab

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// RelayLink is one connection through a relay.
type RelayLink struct {
	relay  *Relay
	target string
	client *net.TCPConn
	delay  time.Duration
	ended  chan struct{} // closed when it is cut or done

	mu     sync.Mutex
	server *net.TCPConn // nil until connected
	over   bool
	held   chan struct{} // closed when bytes may pass again; nil: they may
}

// Hold lets no byte pass until what it returns is called.
func (l *RelayLink) Hold() (release func()) {
	held := make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	return sync.OnceFunc(func() { close(held) })
}

// awaitRelease blocks while the link is held; false when it has ended.
func (l *RelayLink) awaitRelease() bool {
	l.mu.Lock()
	held := l.held
	l.mu.Unlock()
	if held == nil {
		return true
	}
	select {
	case <-held:
		return true
	case <-l.ended:
		return false
	}
}

func (l *RelayLink) run() {
	conn, err := net.Dial("tcp", l.target)
	if err != nil {
		l.Reset()
		return
	}
	server := conn.(*net.TCPConn)
	l.mu.Lock()
	l.server = server
	over := l.over
	l.mu.Unlock()
	if over {
		abort(server)
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pass(ToServer, server, l.client) })
	both.Go(func() { l.pass(ToClient, l.client, server) })
	both.Wait()
	l.close()
}

// pass carries one direction to its end and passes the end on. What has been read waits in a queue, so that a delay
// does not narrow the way.
func (l *RelayLink) pass(direction int, to, from *net.TCPConn) {
	type chunk struct {
		due  time.Time
		data []byte
	}
	queue := make(chan chunk, 1024)
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() {
		defer close(queue)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				select {
				case queue <- chunk{time.Now().Add(l.delay), buffer[:n]}:
				case <-l.ended:
					return
				}
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				l.Reset()
				return
			}
		}
	})
	damages := l.relay.damages(direction)
	for c := range queue {
		if now := l.relay.damages(direction); now > damages {
			damages = now
			c.data[rand.IntN(len(c.data))] ^= 1 << rand.IntN(8)
		}
		if l.delay > 0 {
			select {
			case <-time.After(time.Until(c.due)):
			case <-l.ended:
				return
			}
		}
		if !l.relay.awaitThaw(direction, l.ended) || !l.awaitRelease() {
			return
		}
		if _, err := to.Write(c.data); err != nil {
			l.Reset()
			return
		}
	}
	if l.relay.awaitThaw(direction, l.ended) {
		to.CloseWrite()
	}
}

func (l *RelayLink) Reset() { l.end(abort) }

func (l *RelayLink) close() { l.end(func(c *net.TCPConn) { c.Close() }) }

func (l *RelayLink) end(how func(*net.TCPConn)) {
	l.relay.set(func() { delete(l.relay.links, l) })
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.over = true
	close(l.ended)
	how(l.client)
	if l.server != nil {
		how(l.server)
	}
}

// abort closes with a reset.
func abort(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}
