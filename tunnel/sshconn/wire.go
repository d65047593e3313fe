package sshconn

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/tunnel/pace"
)

const (
	firstBatch   = 8 << 10   // what is little has a smaller buffer: all tunnels of a process ask their servers at the same moment
	quickAckSize = 4 << 10   // a read of less is one that somebody may wait for, and is acknowledged at once
	wireBatch    = 256 << 10 // largest write; one batch fills while the other is written, so 512 KiB are queued at most

	silence      = 100 * time.Millisecond // after so long without a write there is nothing that would gather with the next one
	flushTime    = 100 * time.Millisecond // how long Close waits for bytes that are still queued
	dyingTime    = 100 * time.Millisecond // what the onDead functions may take before the reader learns of the death
	greetingSize = 8 << 10                // bytes of the server's first words that are kept until it has let us in; a first key exchange has up to 5 KiB
	loginSize    = 1 << 20                // bytes that a server may send until it has let us in; a real one needs some 10 KiB
)

// errTooTalkative ends the wire to a server that sends without end before it lets us in.
var errTooTalkative = errors.New("the server has sent more than a mebibyte, and has not let us in")

// wire is the net.Conn under the SSH transport. It exists because x/crypto/ssh v0.58.0
//
//   - reads and writes through buffers of 4 KiB, two system calls for each 32 KiB packet and direction (transport.go:216).
//     The wire reads into a large buffer, and a goroutine of its own writes whatever has gathered while the last write
//     was under way. A lone packet is written at once; a slow peer stops the writers at 512 KiB.
//   - swallows the first write error and never ends the connection for one (handshake.go:629). Here every error, of
//     reading or writing, closes the socket, and the first one is what the connection ended with.
//   - can leave OpenChannel hanging for ever when the connection dies at the same time (mux.go:218, handshake.go:242).
//     Therefore the wire is dead, and the onDead functions have run, before the library sees the error of its Read:
//     whatever is written from then on fails at once.
//
// Read is for one goroutine at a time, everything else for any number. Close must be called, also on a dead wire.
type wire struct {
	conn    net.Conn // socket, pipes of a ProxyCommand, or channel through a jump host; its Close must unblock its Write
	started time.Time

	inbox inbox
	raw   syscall.RawConn // of conn, for what is written; nil: it is no socket
	owed  bool            // what was read is not acknowledged yet; for Read alone, as is asOf
	asOf  uint64          // queued when it was read
	rest  pace.Rest       // for Read alone

	received, sent atomic.Uint64
	queued         atomic.Uint64 // bytes that were taken to be sent, so far
	most           atomic.Uint64 // bytes that may be received, after which the wire dies; 0: any number
	heard          atomic.Int64  // when bytes last arrived, since started

	flooded atomic.Bool // so much came the last time that more is on its way
	waiting atomic.Bool // Read has handed out all that arrived, and waits for more
	watched atomic.Bool // somebody may want to know when it does: onWait

	isDead  atomic.Bool
	gone    chan struct{} // closed when the wire is dead and the onDead functions have run
	written chan struct{} // closed when the writer has ended

	mu          sync.Mutex      // guards all following
	queue       []byte          // not yet taken by the writer; a slice of a batch, nil when empty
	writing     bool            // the writer has taken some, and may not have written it yet
	wrote       time.Duration   // when something was last queued, since started
	met         error           // what writeAtOnce met, which is why the wire is about to die; nil: nothing
	work        sync.Cond       // queue or closing or cause changed
	room        sync.Cond       // the writer took the queue, or cause changed
	closing     bool            // Close was called: no more writes, the writer ends when the queue is empty
	cause       error           // why it died; nil: alive
	onDeadHooks []func()        // onDead
	onWrite     []func()        // afterWrite
	onWait      []chan struct{} // AllTaken
	greeting    []byte          // the first bytes received, up to greetingSize
}

// NewWire returns a wire on conn, which it owns from then on, and starts the writer.
func NewWire(conn net.Conn) *wire {
	w := &wire{
		conn:    conn,
		started: time.Now(),
		inbox:   newInbox(conn),
		rest:    pace.NewRest(),
		gone:    make(chan struct{}),
		written: make(chan struct{}),
	}
	w.work.L, w.room.L = &w.mu, &w.mu
	w.raw = w.inbox.raw
	if acknowledges(conn) {
		w.inbox.rests = w.acknowledge
	}
	go w.writeBatches()
	return w
}

// Close implements net.Conn. What is queued is still written, for at most flushTime; then the socket is closed. It
// returns when the writer has ended, or is about to because its socket is closed.
func (w *wire) Close() error {
	w.mu.Lock()
	w.closing = true
	w.work.Broadcast()
	w.room.Broadcast()
	w.mu.Unlock()

	late := time.NewTimer(flushTime)
	defer late.Stop()
	select {
	case <-w.written:
	case <-late.C:
		w.fail(net.ErrClosed)
		<-w.gone
	}
	return nil
}

// fail makes the wire dead: err becomes its cause unless it has one, the socket is closed, the onDead functions run. The
// first call does it all; later calls return at once, perhaps before it is done.
func (w *wire) fail(err error) {
	w.mu.Lock()
	if w.cause != nil {
		w.mu.Unlock()
		return
	}
	if w.cause = err; w.met != nil {
		w.cause = w.met
	}
	hooks := w.onDeadHooks
	w.onDeadHooks, w.onWrite = nil, nil
	w.isDead.Store(true)
	w.work.Broadcast()
	w.room.Broadcast()
	w.mu.Unlock()

	w.conn.Close()
	w.runDeathHooks(hooks)
	close(w.gone)
}

// runDeathHooks runs the onDead functions, but does not wait for them for ever: while keys are being renewed the library may
// block them until its Read has returned (handshake.go:604).
func (w *wire) runDeathHooks(hooks []func()) {
	if len(hooks) == 0 {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, f := range hooks {
			f()
		}
	}()
	late := time.NewTimer(dyingTime)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	}
}

// OnDead has f called once when the wire dies, before the SSH library learns of it; at once where it is dead already.
// f must be quick. Functions run in the order in which they were given.
func (w *wire) OnDead(f func()) {
	w.mu.Lock()
	if w.cause == nil {
		w.onDeadHooks = append(w.onDeadHooks, f)
		w.mu.Unlock()
		return
	}
	w.mu.Unlock()
	f()
}

// Dead reports whether the wire has met its end: whatever is written from now on fails.
func (w *wire) Dead() bool { return w.isDead.Load() }

// err returns why the wire is dead: io.EOF where the peer closed it, net.ErrClosed where we did, nil where it is alive.
func (w *wire) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause
}

// LastRead returns when bytes last arrived, or when the wire was made if none did. It carries a monotonic reading.
func (w *wire) LastRead() time.Time { return w.started.Add(time.Duration(w.heard.Load())) }

// Counts returns the bytes received and sent, as they are on the socket: encrypted, with the SSH protocol's own.
func (w *wire) Counts() (in, out uint64) { return w.received.Load(), w.sent.Load() }

// firstWords returns the first bytes that the server sent, at most greetingSize.
func (w *wire) firstWords() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]byte(nil), w.greeting...)
}

// forgetWords gives up what firstWords returns.
func (w *wire) forgetWords() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.greeting = nil
}

// LocalAddr implements net.Conn. It is always a *net.TCPAddr, the zero one where there is no TCP connection.
func (w *wire) LocalAddr() net.Addr { return tcpAddr(w.conn.LocalAddr()) }

// RemoteAddr implements net.Conn. It is always a *net.TCPAddr, the zero one where there is no TCP connection.
func (w *wire) RemoteAddr() net.Addr { return tcpAddr(w.conn.RemoteAddr()) }

func tcpAddr(a net.Addr) net.Addr {
	if t, ok := a.(*net.TCPAddr); ok && t != nil {
		return t
	}
	return &net.TCPAddr{IP: net.IPv4zero}
}

// SetDeadline implements net.Conn. A deadline that passes kills the wire, as every error does. SetWriteDeadline bounds
// the writer, not Write.
func (w *wire) SetDeadline(t time.Time) error { return w.conn.SetDeadline(t) }

// SetReadDeadline implements net.Conn; see SetDeadline.
func (w *wire) SetReadDeadline(t time.Time) error { return w.conn.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn; see SetDeadline.
func (w *wire) SetWriteDeadline(t time.Time) error { return w.conn.SetWriteDeadline(t) }

var _ io.ReadWriteCloser = (*wire)(nil)
