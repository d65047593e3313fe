package sshconn

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// tcpWire returns a wire on a TCP connection, and the other end of that.
func tcpWire(t *testing.T) (*wire, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	w := NewWire(near)
	t.Cleanup(func() { w.Close(); far.Close() })
	return w, far.(*net.TCPConn)
}

// beSilent has the last write be long ago.
func (w *wire) beSilent() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrote = -time.Minute
}

// What comes after a silence is with the socket when Write returns; what follows soon is the writer's.
func TestWireWritesAtOnceAfterASilence(t *testing.T) {
	t.Parallel()
	w, far := tcpWire(t)
	if w.raw == nil {
		t.Skip("no way to the socket here")
	}
	w.beSilent()
	n, err := w.Write([]byte("keepalive"))
	if _, sent := w.Counts(); n != 9 || err != nil || sent != 9 {
		t.Errorf("wrote %d, %v; %d are sent", n, err, sent)
	}
	w.Write([]byte(", and more"))
	got := make([]byte, 19)
	if _, err := io.ReadFull(far, got); err != nil || string(got) != "keepalive, and more" {
		t.Errorf("%q, %v", got, err)
	}
	w.beSilent()
	large := bytes.Repeat([]byte("x"), firstBatch+1)
	w.Write(large)
	if _, err := io.ReadFull(far, large); err != nil {
		t.Error(err)
	}
}

// Where the socket takes a part of it, or nothing, the writer has the rest, and all of it comes in order.
func TestWireWritesAtOnceInOrder(t *testing.T) {
	t.Parallel()
	w, far := tcpWire(t)
	sent := make([]byte, 24<<20)
	rand.Read(sent)
	wrote := make(chan error, 1)
	full := make(chan struct{})
	go func() {
		rest, held := sent, false
		for len(rest) > 0 {
			n := min(len(rest), firstBatch-1000)
			w.beSilent()
			if _, err := w.Write(rest[:n]); err != nil {
				wrote <- err
				return
			}
			rest = rest[n:]
			if _, out := w.Counts(); !held && w.queued.Load()-out > wireBatch/2 {
				held = true
				close(full)
			}
		}
		wrote <- nil
	}()
	<-full // nobody reads until the socket takes no more
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(far, got); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil || !bytes.Equal(got, sent) {
		t.Errorf("not what was sent, %v", err)
	}
}

// An error that meets it is the wire's end, as one that meets the writer, and what the wire ended with: the socket tells it once.
func TestWireEndsByWhatIsWrittenAtOnce(t *testing.T) {
	t.Parallel()
	w, far := tcpWire(t)
	far.SetLinger(0)
	far.Close()
	late := time.After(10 * time.Second)
	for !w.Dead() {
		w.beSilent()
		w.Write([]byte("anybody?"))
		select {
		case <-late:
			t.Fatal("it lives on")
		default:
		}
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("a dead wire takes bytes")
	}
	if err := w.err(); runtime.GOOS == "linux" && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it ended with %v", err)
	}
}
