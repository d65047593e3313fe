package lab

import (
	"net"
	"testing"
	"time"
)

// What the relay is believed to do to a link.
func TestRelay(t *testing.T) {
	echoes := StartTarget(t, Echo).Address()
	connect := func(t *testing.T, r *Relay) net.Conn {
		conn, err := net.Dial("tcp", r.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	t.Run("passes bytes and ends", func(t *testing.T) {
		Check(t, EchoTransfer(connect(t, StartRelay(t, echoes)), 1, 4<<20))
	})
	t.Run("cuts with a reset", func(t *testing.T) {
		r := StartRelay(t, echoes)
		conn := connect(t, r)
		Check(t, Exchange(conn, "hello", Patience))
		r.Cut()
		ExpectReset(t, "the client", ReadToEnd(conn, Patience))
	})
	t.Run("hangs up with an end", func(t *testing.T) {
		r := StartRelay(t, echoes)
		conn := connect(t, r)
		Check(t, Exchange(conn, "hello", Patience))
		r.HangUp()
		Check(t, ReadToEnd(conn, Patience))
	})
	t.Run("freezes and thaws", func(t *testing.T) {
		for _, directions := range [][]int{nil, {ToServer}, {ToClient}} {
			r := StartRelay(t, echoes)
			conn := connect(t, r)
			Check(t, Exchange(conn, "before", Patience))
			r.Freeze(directions...)
			if err := Exchange(conn, "frozen", 100*time.Millisecond); err == nil {
				t.Fatal("bytes came through a frozen relay")
			}
			r.Thaw()
			got := make([]byte, 6)
			if _, err := conn.Read(got); err != nil || string(got) != "frozen" {
				t.Errorf("after the thaw came %q, %v", got, err)
			}
		}
	})
	t.Run("delays each way", func(t *testing.T) {
		r := StartRelay(t, echoes)
		r.SetDelay(50 * time.Millisecond)
		conn := connect(t, r)
		sent := time.Now()
		Check(t, Exchange(conn, "late", Patience))
		if took := time.Since(sent); took < 100*time.Millisecond {
			t.Errorf("an echo took %v, want at least 100 ms", took)
		}
	})
	t.Run("refuses and counts", func(t *testing.T) {
		r := StartRelay(t, echoes)
		r.SetRefuse(true)
		if conn, err := net.Dial("tcp", r.Address()); err == nil { // the reset may be quicker than connect
			ExpectReset(t, "the client", ReadToEnd(conn, Patience))
			conn.Close()
		}
		r.SetRefuse(false)
		Check(t, Exchange(connect(t, r), "welcome", Patience))
		if n := r.Count(); n != 2 {
			t.Errorf("counted %d connections, want 2", n)
		}
		r.Shut()
		if Accepts(r.Address()) {
			t.Error("accepts though shut")
		}
		r.Open()
		Check(t, Exchange(connect(t, r), "welcome", Patience))
	})
}
