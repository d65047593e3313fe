package dns

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func netAddr(text string) netip.Addr { return netip.MustParseAddr(text) }

// fitsEDNS reports whether an answer says what we take, where who asks does and the answer was made here.
func fitsEDNS(m dnsmessage.Message, size int) bool {
	if !m.Truncated || size == 0 {
		return len(m.Additionals) == 0
	}
	return len(m.Additionals) == 1 && m.Additionals[0].Header.Type == dnsmessage.TypeOPT && m.Additionals[0].Header.Class == ownSize &&
		m.Additionals[0].Header.DNSSECAllowed()
}

// Nobody is answered who has not asked, and what cannot be read is said to be so.
func TestStrangeDatagrams(t *testing.T) {
	t.Parallel()
	l := newLab(t, patient(), honest)
	c := l.client()
	answer := answerTo(question(1, "loop.example.", 0), 0)
	for _, m := range [][]byte{{0}, {1, 2, 3}, make([]byte, headerSize-1), answer, answer[:headerSize]} {
		c.send(m)
	}
	c.expect(c.ask(2, "a.example."), dnsmessage.RCodeSuccess) // and nothing before it
	two := question(3, "a.example.", 0)
	two[5] = 2
	endless := append(question(4, "a.example.", 0)[:headerSize], 0xc0, 0x0c, 0, 1, 0, 1)
	for _, m := range [][]byte{two, endless, append([]byte{0, 5}, make([]byte, headerSize-2)...)} {
		c.send(m)
		buffer := make([]byte, plainAnswer)
		c.conn.SetReadDeadline(time.Now().Add(patience))
		if n, err := c.conn.Read(buffer); err != nil || n != headerSize || buffer[3]&bitsCode != formatError || idOf(buffer) != idOf(m) {
			t.Errorf("got %x, %v", buffer[:n], err)
		}
	}
}

// Who asks again is answered once, and who asks too much is told so.
func TestLimits(t *testing.T) {
	t.Parallel()
	most := patient()
	most.queries, most.streams = 10, 2
	release := make(chan bool)
	var asked atomic.Int32
	l := newLab(t, most, func(_ int, far net.Conn) {
		defer far.Close()
		for {
			query, err := next(far)
			if err != nil {
				return
			}
			asked.Add(1)
			<-release
			if _, err := far.Write(framed(answerTo(query, 0))); err != nil {
				return
			}
		}
	})
	c := l.client()
	for range 3 {
		for id := range uint16(10) {
			c.send(question(id, "many.example.", 0))
		}
	}
	l.eventually("ten wait", func() bool { waiting, _, _, _ := l.counts(); return waiting == 10 })
	c.expect(c.ask(99, "more.example."), dnsmessage.RCodeServerFailure)
	if _, streams, _, _ := l.counts(); streams != 2 {
		t.Errorf("%d streams", streams)
	}
	close(release)
	seen := map[uint16]bool{}
	for range 10 {
		m := c.receive()
		c.expect(m, dnsmessage.RCodeSuccess)
		seen[m.ID] = true
	}
	if len(seen) != 10 || asked.Load() != 10 {
		t.Errorf("%d were answered, %d asked", len(seen), asked.Load())
	}
}

// A far end that never closes what it has does not make us open more and more.
func TestOpenStreamsAreBounded(t *testing.T) {
	t.Parallel()
	most := patient()
	most.query, most.open = 20*time.Millisecond, 4
	release := make(chan bool)
	l := newLab(t, most, func(_ int, far net.Conn) {
		defer far.Close()
		next(far)
		<-release
	})
	defer close(release)
	c := l.client()
	var open int
	stuck := func() bool {
		c.expect(c.ask(1, "stuck.example."), dnsmessage.RCodeServerFailure)
		_, _, open, _ = l.counts()
		return open >= most.open
	}
	l.eventually("as many are open as may be", stuck)
	for range 10 {
		if stuck(); open > most.open {
			t.Errorf("%d streams are open, want %d", open, most.open)
		}
	}
}

// A quiet stream ends, an old one takes nothing more.
func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*limits){
		"idle": func(most *limits) { most.idle = 10 * time.Millisecond },
		"old":  func(most *limits) { most.age = 0 },
	} {
		most := patient()
		change(&most)
		var streams atomic.Int32
		l := newLab(t, most, func(n int, far net.Conn) { streams.Add(1); honest(n, far) })
		c := l.client()
		for id := range uint16(3) {
			c.expect(c.ask(id, name+".example."), dnsmessage.RCodeSuccess)
			if name == "idle" {
				l.eventually("no stream is open", func() bool { _, _, open, _ := l.counts(); return open == 0 })
			}
		}
		if n := streams.Load(); n != 3 {
			t.Errorf("%s: %d streams, want 3", name, n)
		}
	}
}

// What leads to another server from now on gets no query that is asked from now on, and what waits for its server is asked anew.
func TestRenew(t *testing.T) {
	t.Parallel()
	for _, opened := range []bool{true, false} {
		t.Run(fmt.Sprint("opened ", opened), func(t *testing.T) {
			t.Parallel()
			took := make(chan bool, 1)
			l := newLab(t, patient(), func(n int, far net.Conn) {
				if n > 0 {
					honest(n, far)
					return
				}
				defer far.Close()
				if opened {
					query, _ := next(far)
					far.Write(framed(answerTo(query, 0)))
				}
				took <- true
				if opened {
					if query, err := next(far); err == nil {
						t.Errorf("the old server was asked %x", query)
					}
					return
				}
				<-far.(*stream).Left().Done()
			})
			c := l.client()
			c.send(question(1, "old.example.", 0))
			<-took
			if opened {
				c.receive()
			}
			l.listener.Renew()
			if opened {
				c.expect(c.ask(2, "new.example."), dnsmessage.RCodeSuccess)
			} else {
				c.expect(c.receive(), dnsmessage.RCodeSuccess)
			}
		})
	}
}

// What is asked already is answered by whom it was asked of, and nothing else is.
func TestRenewOfABusyStream(t *testing.T) {
	t.Parallel()
	asked, renewed := make(chan bool), make(chan bool)
	most := patient()
	most.streams = 1 // which a busy one would have to share
	l := newLab(t, most, func(n int, far net.Conn) {
		if n > 0 {
			honest(n, far)
			return
		}
		defer far.Close()
		for range 2 {
			query, err := next(far)
			if err != nil {
				return
			}
			asked <- true
			<-renewed
			far.Write(framed(answerTo(query, 0)))
		}
		t.Error("the old server was asked again")
	})
	c := l.client()
	c.send(question(1, "old.example.", 0))
	<-asked
	l.listener.Renew()
	c.expect(c.ask(2, "new.example."), dnsmessage.RCodeSuccess)
	close(renewed)
	if m := c.receive(); m.ID != 1 || m.RCode != dnsmessage.RCodeSuccess {
		t.Errorf("got %+v", m.Header)
	}
}

// At the end nobody is left waiting, and nothing is left of it.
func TestClose(t *testing.T) {
	t.Parallel()
	l := newLab(t, patient(), func(_ int, far net.Conn) {
		defer far.Close()
		io.Copy(io.Discard, far)
	})
	c := l.client()
	c.send(question(1, "a.example.", 0))
	l.eventually("one waits", func() bool { waiting, _, _, _ := l.counts(); return waiting == 1 })
	if err := l.listener.Close(); err != nil {
		t.Error(err)
	}
	c.expect(c.receive(), dnsmessage.RCodeServerFailure)
	if _, err := l.listener.Accept(); err == nil {
		t.Error("a stream after Close")
	}
	l.eventually("no stream is open", func() bool { waiting, streams, open, _ := l.counts(); return waiting+streams+open == 0 })
	if err := l.listener.Close(); err == nil {
		t.Error("closed twice")
	}
	again, err := Listen(t.Context(), "udp4", l.listener.Addr().String())
	if err != nil {
		t.Fatal("the port is not free: ", err)
	}
	again.Close()
}

// Where there are several addresses, an answer comes from the one that was asked: who asks takes it from nobody else.
func TestAnswersFromWhereItWasAsked(t *testing.T) {
	t.Parallel()
	if controlSize == 0 {
		t.Skip("this system chooses the address")
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := tellDestination(conn, false); err != nil {
		t.Fatal(err)
	}
	l := newLabOf(t, newListener(conn, true, patient()), honest)
	c := l.client()
	c.expect(c.ask(1, "a.example."), dnsmessage.RCodeSuccess)
}

func FuzzMessage(f *testing.F) {
	f.Add(question(1, "a.example.", 0), answerTo(question(1, "A.example.", 0), 0))
	f.Add(question(1, "a.example.", 4096), []byte{0, 1, 2})
	f.Fuzz(func(t *testing.T, asked, answer []byte) {
		if len(asked) < headerSize || len(answer) < headerSize {
			return
		}
		q := &query{text: asked, sent: true}
		q.answeredBy(answer)
		if room(asked) < plainAnswer {
			t.Errorf("%x: too little room", asked)
		}
		for _, m := range [][]byte{failure(asked, serverFailure), truncated(asked, answer)} {
			if len(m) > plainAnswer || idOf(m) != idOf(asked) {
				t.Errorf("%x became %x", asked, m)
			}
		}
	})
}
