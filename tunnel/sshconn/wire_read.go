package sshconn

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/tunnel/brief"
)

const (
	wireReadSize  = 256 << 10 // read buffer of a busy connection; one read then empties most of a receive buffer
	wireReadFirst = 16 << 10  // read buffer of one that is not
)

// The buffers that no wire has anything in at the moment: one that waits for its server holds none.
var (
	largeReads = sync.Pool{New: func() any { return new([wireReadSize]byte) }}
	smallReads = sync.Pool{New: func() any { return new([wireReadFirst]byte) }}
)

// inbox reads what arrives. It is for one goroutine at a time.
type inbox struct {
	conn   net.Conn
	raw    syscall.RawConn       // of conn; nil: it is no socket
	once   func(fd uintptr) bool // reads from raw
	buf    []byte                // nil: none is held
	unread []byte                // the part of buf that was not handed out
	busy   bool                  // so much came the last time that a large buffer is worth it
	rests  func(fd uintptr)      // called before it waits for more; nil: nothing is
	n      int                   // what once has read
	err    error                 // what once has met
}

// Read implements net.Conn. Its error is the first one that the wire met in either direction.
func (w *wire) Read(p []byte) (int, error) {
	if len(w.inbox.unread) == 0 && len(p) > 0 {
		if err := w.fill(); err != nil {
			w.fail(err)
			<-w.gone
			return 0, w.err()
		}
	}
	n := copy(p, w.inbox.unread)
	w.inbox.unread = w.inbox.unread[n:]
	return n, nil
}

// fill reads once.
func (w *wire) fill() error {
	if w.inbox.busy {
		w.rest.Carry(w.inbox.n)
	}
	w.waits()
	defer w.waiting.Store(false)
	got, err := w.inbox.read()
	if err != nil {
		return err
	}
	w.heard.Store(int64(time.Since(w.started)))
	total := w.received.Add(uint64(len(got)))
	if total-uint64(len(got)) < greetingSize {
		w.remember(got)
	}
	if most := w.most.Load(); most > 0 && total > most {
		return errTooTalkative
	}
	if len(got) < quickAckSize {
		w.owed, w.asOf = true, w.queued.Load()
	}
	w.inbox.unread = got
	if w.flooded.Load() != w.inbox.busy {
		w.flooded.Store(w.inbox.busy)
	}
	return nil
}

func (w *wire) remember(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.greeting = append(w.greeting, p[:min(len(p), greetingSize-len(w.greeting))]...)
}

func newInbox(conn net.Conn) inbox {
	i := inbox{conn: conn}
	if sc, ok := conn.(*net.TCPConn); ok {
		i.raw, _ = brief.Raw(sc)
	}
	return i
}

// read waits for bytes, and returns what came. It is good until the next call.
func (i *inbox) read() ([]byte, error) {
	for {
		n, err := i.readSome()
		if n > 0 {
			i.busy = n >= wireReadFirst
			return i.buf[:n], nil // an error that came with bytes comes again
		}
		if err != nil {
			i.give()
			return nil, err
		}
	}
}

func (i *inbox) readSome() (int, error) {
	if i.raw == nil {
		i.take()
		return i.conn.Read(i.buf)
	}
	if i.once == nil {
		i.once = i.readNow
	}
	i.n, i.err = 0, nil
	switch err := i.raw.Read(i.once); {
	case err != nil:
		return 0, err
	case i.err != nil:
		return 0, brief.Failed("read", i.conn, os.NewSyscallError("read", i.err))
	case i.n == 0:
		return 0, io.EOF
	}
	return i.n, nil
}

// readNow reads without waiting. It is false where nothing has come.
func (i *inbox) readNow(fd uintptr) bool {
	i.take()
	i.n, i.err = brief.Read(int(fd), i.buf)
	if i.err == syscall.EAGAIN {
		i.give()
		if i.rests != nil {
			i.rests(fd)
		}
		return false
	}
	return true
}

// take has a buffer of the size that fits.
func (i *inbox) take() {
	switch {
	case i.busy && len(i.buf) != wireReadSize:
		i.give()
		i.buf = largeReads.Get().(*[wireReadSize]byte)[:]
	case i.buf == nil:
		i.buf = smallReads.Get().(*[wireReadFirst]byte)[:]
	}
}

// give gives the buffer back.
func (i *inbox) give() {
	switch len(i.buf) {
	case wireReadSize:
		largeReads.Put((*[wireReadSize]byte)(i.buf))
	case wireReadFirst:
		smallReads.Put((*[wireReadFirst]byte)(i.buf))
	}
	i.buf = nil
}
