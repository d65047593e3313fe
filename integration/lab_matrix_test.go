package integration

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// freshAddress gives an address that is free, as -L and -R take it and as net.Dial does.
func freshAddress(t *testing.T, network string) (dialed, address string) {
	switch network {
	case "unix":
		return "unix", t.TempDir() + "/s"
	case "IPv6":
		return "tcp", fmt.Sprintf("[::1]:%d", freePort(t))
	}
	return "tcp", loopback(freePort(t))
}

// way is a forward to a script server, and one to where nobody listens.
type way struct {
	route
	nobody route
	remote bool // clients are at the server
	full   bool // carries all of matrixSize
	target *scripts
}

// ask opens a connection and sends the name of a script.
func (w way) ask(t *testing.T, script string) net.Conn {
	t.Helper()
	conn := w.connect(t)
	conn.SetDeadline(time.Now().Add(3 * patience))
	if _, err := io.WriteString(conn, script+"\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}

// clientAborts shows that a client's reset ends the target's connection, too.
func (w way) clientAborts(t *testing.T) {
	t.Helper()
	told := w.target.expect()
	conn := w.ask(t, "drain "+told.id)
	if _, err := io.ReadFull(conn, make([]byte, len(ready))); err != nil {
		t.Fatal(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
	receive(t, told.ended)
}

func (w way) clientEndsFirst(t *testing.T) {
	t.Helper()
	conn := w.ask(t, "answer")
	if _, err := io.Copy(conn, stream(1, 100_000)); err != nil {
		t.Fatal(err)
	}
	check(t, closeWrite(conn))
	answer, err := io.ReadAll(conn)
	if want := "heard 100000 bytes, <nil>"; string(answer) != want || err != nil {
		t.Errorf("the answer after our end was %q, %v; want %q", answer, err, want)
	}
}

func (w way) refused(t *testing.T) {
	t.Helper()
	conn, err := w.nobody.dial()
	if err != nil {
		return // refused by the proxy's answer, or before it
	}
	defer conn.Close()
	if err := readToEnd(conn, patience); err != nil && !wasReset(err) {
		t.Errorf("a refused target: %v; want the end or a reset", err)
	}
}

// targetAborts shows that a target's reset ends the client's connection. How, is up to the server.
func (w way) targetAborts(t *testing.T) {
	t.Helper()
	conn := w.ask(t, "abort")
	var timeout net.Error
	if err := readToEnd(conn, patience); errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the client waits for a target that has reset the connection")
	}
}

func (w way) targetEndsFirst(t *testing.T) {
	t.Helper()
	told := w.target.expect()
	conn := w.ask(t, "hush "+told.id)
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
		t.Fatalf("read %d bytes, %v; want the end at once", len(got), err)
	}
	if _, err := io.Copy(conn, stream(1, 100_000)); err != nil {
		t.Fatalf("sending after the target's end: %v", err)
	}
	check(t, closeWrite(conn))
	if got := receive(t, told.ended); got.bytes != 100_000 || got.err != nil {
		t.Errorf("after its end the target heard %d bytes, %v", got.bytes, got.err)
	}
}
