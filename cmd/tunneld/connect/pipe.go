package connect

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/config/errno"
)

// ErrCut says that the connection broke before its end.
var ErrCut = errors.New("the connection was cut: that of the tunnel to its server has ended")

// ErrNoSocket is Pass's where out is no Unix socket: nobody waits for one there.
var ErrNoSocket = errors.New("standard output is no Unix socket, so nobody waits to be handed one")

// Pipe carries in to conn and conn to out until conn has ended, and closes out then: what reads there is to see the end. Each
// direction ends by itself; when in has ended and nobody reads out any more, so has everything. It returns ErrCut where something
// is missing. A goroutine that reads in may be left.
func Pipe(conn *net.UnixConn, in io.Reader, out *os.File) error {
	over := make(chan struct{})
	defer close(over)
	var deaf atomic.Bool
	to := &sender{conn: conn}
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(to, in)
		sent <- errors.Join(err, conn.CloseWrite())
		if awaitDeaf(out, over) {
			deaf.Store(true)
			conn.Close()
		}
	}()
	_, err := io.Copy(onlyWriter{out}, onlyReader{conn})
	switch {
	case deaf.Load():
		return nil
	case errors.Is(err, errno.Reset):
		return ErrCut
	case err != nil:
		return err
	}
	out.Close()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		awaitGone(conn, over)
	}()
	select {
	case err := <-sent:
		if errors.Is(err, errno.Reset) {
			return ErrCut
		}
		return nil
	case <-gone:
		return to.cut()
	}
}

// deafEvery is how often it is found out whether somebody still reads. A poll(2) that lasts would keep out open.
const deafEvery = time.Second

// awaitDeaf waits until nobody reads out any more; false: it is over before.
func awaitDeaf(out *os.File, over <-chan struct{}) bool {
	tick := time.NewTicker(deafEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-over:
			return false
		}
		raw, err := out.SyscallConn()
		if err != nil {
			return false
		}
		deaf := false
		if raw.Control(func(fd uintptr) { deaf = hungUp(fd) }) != nil {
			return false // it is closed
		}
		if deaf {
			return true
		}
	}
}

// onlyReader and onlyWriter keep io.Copy from the system calls that take bytes out of sight: on an error it would not be known
// which side has it.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// sender writes to conn and keeps the error: the kernel tells a reset once, to whoever comes first.
type sender struct {
	conn net.Conn
	mu   sync.Mutex // held in Write
	err  error
}

func (s *sender) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.conn.Write(p)
	s.err = err
	return n, err
}

// cut returns ErrCut where a reset was told to Write. The peer has gone, so that no Write lasts.
func (s *sender) cut() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.err, errno.Reset) {
		return ErrCut
	}
	return nil
}
