package sshconn

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// slowConn is a net.Conn whose Write waits for a permit, and which records each call of Write and its closing.
type slowConn struct {
	net.Conn // reads
	permits  chan error
	closed   chan struct{}
	once     sync.Once

	mu     sync.Mutex
	writes [][]byte
}

func newSlowConn(reads net.Conn) *slowConn {
	return &slowConn{Conn: reads, permits: make(chan error), closed: make(chan struct{})}
}

func (c *slowConn) Write(p []byte) (int, error) {
	select {
	case err := <-c.permits:
		if err != nil {
			return 0, err
		}
	case <-c.closed:
		return 0, net.ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), nil
}

func (c *slowConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (c *slowConn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// slowWire returns a wire over a slowConn, and the far end that it reads from.
func slowWire(t *testing.T) (*wire, *slowConn, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	conn := newSlowConn(near)
	w := NewWire(conn)
	t.Cleanup(func() { w.Close(); far.Close() })
	return w, conn, far
}

func TestWireWritesWhatGatheredInOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, conn, _ := slowWire(t)
		w.Write([]byte("first"))
		synctest.Wait() // the writer is in its first call
		var rest []byte
		for i := range 100 {
			p := bytes.Repeat([]byte{byte(i)}, 1000)
			rest = append(rest, p...)
			w.Write(p)
		}
		conn.permits <- nil
		conn.permits <- nil
		synctest.Wait()
		if len(conn.writes) != 2 || string(conn.writes[0]) != "first" || !bytes.Equal(conn.writes[1], rest) {
			t.Fatalf("%d calls of Write, want 2: the lone packet and everything after it", len(conn.writes))
		}
		if _, out := w.Counts(); out != uint64(5+len(rest)) {
			t.Errorf("counted %d bytes, want %d", out, 5+len(rest))
		}
	})
}

// Hundreds of tunnels ask their servers at the same moment: what is little takes little.
func TestWireTakesLittleForLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, conn, _ := slowWire(t)
		w.Write([]byte("first"))
		synctest.Wait() // the writer is in its first call
		var rest []byte
		for _, c := range []struct{ bytes, room int }{{100, firstBatch}, {firstBatch - 100, firstBatch}, {1, wireBatch}, {wireBatch / 2, wireBatch}} {
			p := bytes.Repeat([]byte{byte(c.bytes)}, c.bytes)
			rest = append(rest, p...)
			w.Write(p)
			if n := cap(w.queue); n != c.room {
				t.Errorf("%d bytes are queued in a buffer of %d, want %d", len(rest), n, c.room)
			}
		}
		conn.permits <- nil
		conn.permits <- nil
		synctest.Wait()
		if len(conn.writes) != 2 || !bytes.Equal(conn.writes[1], rest) {
			t.Errorf("%d calls of Write, and not what was written", len(conn.writes))
		}
	})
}

func TestWireHoldsWritersAtHalfAMegabyte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, conn, _ := slowWire(t)
		w.Write(make([]byte, wireBatch))
		synctest.Wait() // taken by the writer
		w.Write(make([]byte, wireBatch))
		done := make(chan error, 1)
		go func() {
			_, err := w.Write([]byte("one byte more would be too many"))
			done <- err
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("Write took more than 512 KiB")
		default:
		}
		conn.permits <- nil
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		conn.permits <- nil
		conn.permits <- nil
		synctest.Wait()
		if _, out := w.Counts(); out != 2*wireBatch+31 {
			t.Errorf("counted %d bytes", out)
		}
	})
}

func TestWireCarriesABigWriteInOrder(t *testing.T) {
	near, far := net.Pipe()
	w := NewWire(near)
	defer w.Close()
	sent := make([]byte, 3*wireBatch+17)
	for i := range sent {
		sent[i] = byte(i * 7 / 256)
	}
	go w.Write(sent)
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(far, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Error("bytes changed on the way")
	}
}

func TestWireDeathReleasesABlockedWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := slowWire(t)
		done := make(chan error, 1)
		go func() {
			_, err := w.Write(make([]byte, 4*wireBatch))
			done <- err
		}()
		synctest.Wait()
		broken := errors.New("broken")
		w.fail(broken)
		if err := <-done; err != broken {
			t.Errorf("Write gave %v", err)
		}
	})
}

func TestWireIsDeadBeforeTheReaderKnows(t *testing.T) {
	w, conn, far := slowWire(t)
	var order []string
	w.OnDead(func() {
		if !w.Dead() || !conn.isClosed() {
			t.Error("an onDead function ran on a wire that is alive or whose socket is open")
		}
		if _, err := w.Write([]byte("x")); err != io.EOF {
			t.Errorf("Write on the dead wire gave %v", err)
		}
		order = append(order, "first")
	})
	w.OnDead(func() { order = append(order, "second") })
	go far.Close()
	_, err := w.Read(make([]byte, 10))
	if err != io.EOF || len(order) != 2 || order[0] != "first" {
		t.Errorf("Read gave %v after %q", err, order)
	}
	w.OnDead(func() { order = append(order, "late") })
	if len(order) != 3 {
		t.Error("onDead of a dead wire did not call its function at once")
	}
	if err := w.err(); err != io.EOF {
		t.Errorf("err gave %v", err)
	}
}

func TestWireGivesTheReaderTheWritersError(t *testing.T) {
	w, conn, _ := slowWire(t)
	reset := errors.New("connection timed out")
	w.Write([]byte("x"))
	go func() { conn.permits <- reset }()
	if _, err := w.Read(make([]byte, 10)); err != reset {
		t.Errorf("Read gave %v, want the error of the write", err)
	}
	if !conn.isClosed() {
		t.Error("a write error left the socket open")
	}
}

func TestWireDoesNotWaitLongForTheMourners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, far := slowWire(t)
		release := make(chan struct{})
		w.OnDead(func() { <-release })
		begun := time.Now()
		far.Close()
		if _, err := w.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
		if took := time.Since(begun); took != dyingTime {
			t.Errorf("Read returned after %v, want %v", took, dyingTime)
		}
		close(release)
	})
}

func TestWireCloseWritesWhatIsQueued(t *testing.T) {
	near, far := net.Pipe()
	w := NewWire(near)
	got := make(chan []byte)
	go func() {
		p, _ := io.ReadAll(far)
		got <- p
	}()
	w.Write([]byte("the last "))
	w.Write([]byte("words"))
	w.Close()
	if p := <-got; string(p) != "the last words" {
		t.Errorf("the peer got %q", p)
	}
	if _, err := w.Write([]byte("x")); err != net.ErrClosed {
		t.Errorf("Write after Close gave %v", err)
	}
	if _, err := w.Read(make([]byte, 1)); err != net.ErrClosed {
		t.Errorf("Read after Close gave %v", err)
	}
}

func TestWireCloseIsBoundedWhenThePeerDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		w := NewWire(near)
		w.Write([]byte("nobody reads this"))
		begun := time.Now()
		w.Close()
		if took := time.Since(begun); took != flushTime {
			t.Errorf("Close took %v, want %v", took, flushTime)
		}
		w.Close() // a second one is harmless
	})
}

func TestWireCountsAndRemembersWhatItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		w := NewWire(near)
		defer w.Close()
		began := w.LastRead()
		time.Sleep(5 * time.Second)
		go far.Write([]byte("SSH-2.0-x\r\nmore"))
		p := make([]byte, 4)
		for range 3 {
			if n, err := w.Read(p); n != 4 || err != nil {
				t.Fatal(n, err)
			}
		}
		if in, _ := w.Counts(); in != 15 {
			t.Errorf("counted %d bytes", in)
		}
		if quiet := w.LastRead().Sub(began); quiet != 5*time.Second {
			t.Errorf("last read after %v", quiet)
		}
		if words := w.firstWords(); string(words) != "SSH-2.0-x\r\nmore" {
			t.Errorf("first words %q", words)
		}
	})
}

func TestWireReadsGrow(t *testing.T) {
	near, far := net.Pipe()
	w := NewWire(near)
	defer w.Close()
	go func() {
		far.Write(make([]byte, 4*wireReadSize))
		far.Close()
	}()
	n, err := io.Copy(io.Discard, w)
	if n != 4*wireReadSize || err != nil {
		t.Fatal(n, err)
	}
	if !w.inbox.busy {
		t.Error("the buffer is not the large one after a busy time")
	}
	if n := len(w.firstWords()); n != greetingSize {
		t.Errorf("%d first bytes kept, want %d", n, greetingSize)
	}
}

func TestWireAddressesAreTCP(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	w := NewWire(near)
	defer w.Close()
	for _, a := range []net.Addr{w.LocalAddr(), w.RemoteAddr()} {
		if _, ok := a.(*net.TCPAddr); !ok {
			t.Errorf("%T over a pipe: known_hosts checks want a host:port", a)
		}
	}
}

func TestWireLeavesNoGoroutine(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for i := range 300 {
		near, far := net.Pipe()
		w := NewWire(near)
		w.OnDead(func() {})
		go io.Copy(io.Discard, far)
		go w.Write(make([]byte, 1000*i))
		switch i % 3 {
		case 0:
			far.Close()
			w.Read(make([]byte, 1))
		case 1:
			go w.fail(errors.New("killed"))
		}
		w.Close()
		far.Close()
	}
}

// A server that sends and sends, and lets nobody in, is left.
func TestWireEndsWhenTheServerIsTooTalkative(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	w := NewWire(here)
	defer w.Close()
	w.most.Store(1000)
	go func() {
		for {
			if _, err := there.Write(make([]byte, 300)); err != nil {
				return
			}
		}
	}()
	if n, err := io.Copy(io.Discard, w); !errors.Is(err, errTooTalkative) || n > 1000 {
		t.Errorf("%d bytes were read, then %v", n, err)
	}
}
