package sshconn

import (
	"io"
	"net"
	"syscall"
	"testing"
)

// tcpPair returns the two ends of a TCP connection.
func tcpPair(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); other.Close() })
	return conn.(*net.TCPConn), other.(*net.TCPConn)
}

// A wire that waits for its server holds no buffer, and one that is busy a large one.
func TestInboxHoldsWhatItNeeds(t *testing.T) {
	near, far := tcpPair(t)
	i := newInbox(near)
	holds := func() int {
		i.raw.Read(func(fd uintptr) bool { i.readNow(fd); return true }) // as when nothing has come
		return len(i.buf)
	}
	if n := holds(); n != 0 {
		t.Errorf("%d bytes are held before anything came", n)
	}
	sent := make([]byte, 4*wireReadSize)
	go far.Write(sent)
	for left := len(sent); left > 0; {
		got, err := i.read()
		if err != nil {
			t.Fatal(err)
		}
		left -= len(got)
		if i.busy && left > wireReadSize {
			got, err = i.read()
			if left -= len(got); err != nil || len(i.buf) != wireReadSize {
				t.Fatalf("a buffer of %d bytes in a busy time, %v", len(i.buf), err)
			}
		}
	}
	if n := holds(); n != 0 {
		t.Errorf("%d bytes are held after a busy time", n)
	}
}

// The errors are those of net.Conn.
func TestInboxErrors(t *testing.T) {
	near, far := tcpPair(t)
	far.Close()
	i := newInbox(near)
	if _, err := i.read(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	near, far = tcpPair(t)
	far.SetLinger(0)
	far.Close()
	i = newInbox(near)
	_, err := i.read()
	if want := lost(&net.OpError{Err: syscall.ECONNRESET}); lost(err).Error() != "connection reset by peer" {
		t.Errorf("after a reset: %v, want %v", err, want)
	}
}
