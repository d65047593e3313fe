package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// FreshAddress returns an address that is free, as -L and -R take it and as net.Dial does.
func FreshAddress(t *testing.T, network string) (dialed, address string) {
	switch network {
	case "unix":
		return "unix", t.TempDir() + "/s"
	case "IPv6":
		return "tcp", fmt.Sprintf("[::1]:%d", FreePort(t))
	}
	return "tcp", Loopback(FreePort(t))
}

// Way is a forward to a script server, and one to where nobody listens.
type Way struct {
	Route
	Nobody Route
	Remote bool // clients are at the server
	Full   bool // carries all of matrixSize
	Target *Scripts
}

// Ask opens a connection and sends the name of a script.
func (w Way) Ask(t *testing.T, script string) net.Conn {
	t.Helper()
	conn := w.Connect(t)
	conn.SetDeadline(time.Now().Add(3 * Patience))
	if _, err := io.WriteString(conn, script+"\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ClientAborts shows that a client's reset ends the target's connection, too.
func (w Way) ClientAborts(t *testing.T) {
	t.Helper()
	told := w.Target.expect()
	conn := w.Ask(t, "drain "+told.id)
	if _, err := io.ReadFull(conn, make([]byte, len(ready))); err != nil {
		t.Fatal(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
	Receive(t, told.ended)
}

func (w Way) ClientEndsFirst(t *testing.T) {
	t.Helper()
	conn := w.Ask(t, "answer")
	if _, err := io.Copy(conn, Stream(1, 100_000)); err != nil {
		t.Fatal(err)
	}
	Check(t, CloseWrite(conn))
	answer, err := io.ReadAll(conn)
	if want := "heard 100000 bytes, <nil>"; string(answer) != want || err != nil {
		t.Errorf("the answer after our end was %q, %v; want %q", answer, err, want)
	}
}

func (w Way) Refused(t *testing.T) {
	t.Helper()
	conn, err := w.Nobody.Dial()
	if err != nil {
		return // Refused by the proxy's answer, or before it
	}
	defer conn.Close()
	if err := ReadToEnd(conn, Patience); err != nil && !WasReset(err) {
		t.Errorf("a refused target: %v; want the end or a reset", err)
	}
}

// TargetAborts shows that a target's reset ends the client's connection. How, is up to the server.
func (w Way) TargetAborts(t *testing.T) {
	t.Helper()
	conn := w.Ask(t, "abort")
	var timeout net.Error
	if err := ReadToEnd(conn, Patience); errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the client waits for a target that has reset the connection")
	}
}

func (w Way) TargetEndsFirst(t *testing.T) {
	t.Helper()
	told := w.Target.expect()
	conn := w.Ask(t, "hush "+told.id)
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
		t.Fatalf("read %d bytes, %v; want the end at once", len(got), err)
	}
	if _, err := io.Copy(conn, Stream(1, 100_000)); err != nil {
		t.Fatalf("sending after the target's end: %v", err)
	}
	Check(t, CloseWrite(conn))
	if got := Receive(t, told.ended); got.bytes != 100_000 || got.err != nil {
		t.Errorf("after its end the target heard %d bytes, %v", got.bytes, got.err)
	}
}
