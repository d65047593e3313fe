package integration

import (
	"net"
	"testing"
	"time"
)

// What the relay is believed to do to a link.
func TestRelay(t *testing.T) {
	echoes := startTarget(t, echo).address()
	connect := func(t *testing.T, r *relay) net.Conn {
		conn, err := net.Dial("tcp", r.address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	t.Run("passes bytes and ends", func(t *testing.T) {
		check(t, echoTransfer(connect(t, startRelay(t, echoes)), 1, 4<<20))
	})
	t.Run("cuts with a reset", func(t *testing.T) {
		r := startRelay(t, echoes)
		conn := connect(t, r)
		check(t, exchange(conn, "hello", patience))
		r.cut()
		expectReset(t, "the client", readToEnd(conn, patience))
	})
	t.Run("hangs up with an end", func(t *testing.T) {
		r := startRelay(t, echoes)
		conn := connect(t, r)
		check(t, exchange(conn, "hello", patience))
		r.hangUp()
		check(t, readToEnd(conn, patience))
	})
	t.Run("freezes and thaws", func(t *testing.T) {
		for _, directions := range [][]int{nil, {toServer}, {toClient}} {
			r := startRelay(t, echoes)
			conn := connect(t, r)
			check(t, exchange(conn, "before", patience))
			r.freeze(directions...)
			if err := exchange(conn, "frozen", 100*time.Millisecond); err == nil {
				t.Fatal("bytes came through a frozen relay")
			}
			r.thaw()
			got := make([]byte, 6)
			if _, err := conn.Read(got); err != nil || string(got) != "frozen" {
				t.Errorf("after the thaw came %q, %v", got, err)
			}
		}
	})
	t.Run("delays each way", func(t *testing.T) {
		r := startRelay(t, echoes)
		r.setDelay(50 * time.Millisecond)
		conn := connect(t, r)
		sent := time.Now()
		check(t, exchange(conn, "late", patience))
		if took := time.Since(sent); took < 100*time.Millisecond {
			t.Errorf("an echo took %v, want at least 100 ms", took)
		}
	})
	t.Run("refuses and counts", func(t *testing.T) {
		r := startRelay(t, echoes)
		r.setRefuse(true)
		if conn, err := net.Dial("tcp", r.address()); err == nil { // the reset may be quicker than connect
			expectReset(t, "the client", readToEnd(conn, patience))
			conn.Close()
		}
		r.setRefuse(false)
		check(t, exchange(connect(t, r), "welcome", patience))
		if n := r.count(); n != 2 {
			t.Errorf("counted %d connections, want 2", n)
		}
		r.shut()
		if accepts(r.address()) {
			t.Error("accepts though shut")
		}
		r.open()
		check(t, exchange(connect(t, r), "welcome", patience))
	})
}
