package lab

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// ready is what a target says that only listens.
const ready = "ready\n"

// Scripts is a server that does what the first line of a connection says.
type Scripts struct {
	Address string

	mu   sync.Mutex
	next int
	told map[string]chan<- heardEnd
}

// heardEnd is how a connection ended at the target.
type heardEnd struct {
	bytes int64
	err   error // nil for a clean end
}

// expectation is one connection whose end will be told.
type expectation struct {
	id    string
	ended <-chan heardEnd
}

func StartScripts(t *testing.T, network string) *Scripts {
	t.Helper()
	dialed, address := FreshAddress(t, network)
	l, err := net.Listen(dialed, address)
	if err != nil {
		t.Skip("needs ", network, ": ", err)
	}
	s := &Scripts{Address: address, told: make(map[string]chan<- heardEnd)}
	var open sync.Map
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Store(conn, true)
			all.Go(func() {
				defer open.Delete(conn)
				defer conn.Close()
				s.run(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
		all.Wait()
	})
	return s
}

// expect returns a name under which a script tells how its connection ended.
func (s *Scripts) expect() expectation {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	id, ended := fmt.Sprint(s.next), make(chan heardEnd, 1)
	s.told[id] = ended
	return expectation{id, ended}
}

func (s *Scripts) run(conn net.Conn) {
	script, id := readScript(conn)
	switch script {
	case "echo":
		io.Copy(struct{ io.Writer }{conn}, conn)
	case "answer":
		n, err := io.Copy(io.Discard, conn)
		fmt.Fprintf(conn, "heard %d bytes, %v", n, err)
	case "hush":
		CloseWrite(conn)
		s.tell(id, conn)
	case "drain":
		io.WriteString(conn, ready)
		s.tell(id, conn)
	case "pour":
		io.Copy(struct{ io.Writer }{conn}, Stream(1, 1<<40))
	case "abort":
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
	}
}

func (s *Scripts) tell(id string, conn net.Conn) {
	n, err := io.Copy(io.Discard, conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told[id] <- heardEnd{n, err}
}

// readScript reads the first line, and not a byte more.
func readScript(conn net.Conn) (script, id string) {
	var line strings.Builder
	for b := make([]byte, 1); ; line.WriteByte(b[0]) {
		if _, err := io.ReadFull(conn, b); err != nil || b[0] == '\n' {
			break
		}
	}
	script, id, _ = strings.Cut(line.String(), " ")
	return script, id
}
