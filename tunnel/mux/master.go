package mux

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// maxClients bounds the control connections of a master, and with them its sessions. Each costs a few descriptors. One more
// is closed before it is greeted: its ssh makes a connection of its own then.
const maxClients = 512

// Master serves the clients of a ControlPath. Its methods may be called from any goroutine.
type Master struct {
	tunnel Tunnel
	log    *slog.Logger
	times  times

	mu      sync.Mutex // guards all following fields
	socket  *Socket    // nil while it does not listen
	clients map[*client]context.CancelCauseFunc
	closed  bool
	running sync.WaitGroup // clients, and those who accept them; grows under mu
}

// New makes a master that listens nowhere yet.
func New(t Tunnel, log *slog.Logger) *Master {
	return &Master{tunnel: t, log: log, times: usualTimes, clients: make(map[*client]context.CancelCauseFunc)}
}

// Serve accepts clients on s from now on, in place of the socket of before. s is the master's from here on.
func (m *Master) Serve(s *Socket) {
	m.swap(s).Close()
}

// StopListening gives up the socket. Sessions go on. It may be called more than once.
func (m *Master) StopListening() { m.swap(nil).Close() }

// swap puts s in the place of the socket of before, and returns which one is to be closed: without the lock, since the file
// system that it is on may not answer.
func (m *Master) swap(s *Socket) (unwanted *Socket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s != nil && m.closed {
		return s
	}
	unwanted, m.socket = m.socket, s
	if s != nil {
		m.running.Go(func() { m.accept(s) })
	}
	return unwanted
}

// Path returns where it listens; empty: nowhere.
func (m *Master) Path() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.socket == nil {
		return ""
	}
	return m.socket.Path()
}

// InPlace reports whether it listens, and clients find its socket.
func (m *Master) InPlace() bool {
	m.mu.Lock()
	s := m.socket
	m.mu.Unlock()
	return s != nil && s.InPlace()
}

// Clients is how many are connected.
func (m *Master) Clients() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.clients)
}

// errEnding ends what runs for clients, and is what those are told who still wait.
var errEnding = errors.New("the tunnel is being stopped")

// closeTime is what sessions get to end whose clients have been let go. A file that a client has passed may hang, such as one
// on a network file system.
const closeTime = time.Second

// Close gives up the socket, ends all sessions and waits for that. Who waits for a session or a forward is told that there is
// none: ssh takes a connection that is closed in silence for the end of what it asked for, and -W ends with 0 then. A
// client that does not read, and a session that does not end, hold it up for times.answer and closeTime at most.
func (m *Master) Close() {
	m.mu.Lock()
	m.closed = true
	for c, end := range m.clients {
		end(errEnding)
		c.hurry()
	}
	m.mu.Unlock()
	m.StopListening()
	ended := make(chan struct{})
	go func() {
		m.running.Wait()
		close(ended)
	}()
	if within(m.times.answer, ended) {
		return
	}
	m.mu.Lock()
	for c := range m.clients {
		c.conn.Close()
	}
	m.mu.Unlock()
	if !within(closeTime, ended) {
		m.log.Warn("sessions of the ControlPath have not ended", "hint", "a file that a client has passed does not answer")
	}
}

// within waits until done is closed, for limit at most, and reports whether it was.
func within(limit time.Duration, done <-chan struct{}) bool {
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-done:
		return true
	case <-late.C:
		return false
	}
}

// accept hands every client to a goroutine of its own until s is closed.
func (m *Master) accept(s *Socket) {
	for {
		conn, err := s.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			m.log.Warn("clients of the ControlPath wait", "err", err)
			<-time.After(acceptPause) // too many open files: others may be closed meanwhile
		case !isOurs(conn):
			conn.Close() // as OpenSSH's master does
		default:
			m.admit(conn)
		}
	}
}

const acceptPause = 100 * time.Millisecond

// admit serves a client in a goroutine of its own. It is closed where there are too many, or too many descriptors are open.
func (m *Master) admit(conn *net.UnixConn) {
	release, ok := m.tunnel.Admit(1)
	if !ok {
		conn.Close()
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || len(m.clients) >= maxClients {
		release()
		conn.Close()
		return
	}
	ctx, end := context.WithCancelCause(context.Background())
	c := &client{master: m, conn: conn}
	m.clients[c] = end
	m.running.Go(func() {
		defer release()
		defer m.dismiss(c)
		c.serve(ctx, end)
	})
}

func (m *Master) dismiss(c *client) {
	c.conn.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.clients, c)
}
