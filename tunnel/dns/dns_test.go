package dns

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestAnswersWhatIsAsked(t *testing.T) {
	t.Parallel()
	var streams atomic.Int32
	l := newLab(t, patient(), func(n int, far net.Conn) { streams.Add(1); honest(n, far) })
	c := l.client()
	for id := range uint16(50) {
		m := c.ask(id, fmt.Sprintf("host%d.example.", id))
		c.expect(m, dnsmessage.RCodeSuccess)
		if len(m.Answers) != 1 || m.Truncated {
			t.Errorf("got %+v", m)
		}
	}
	if n := streams.Load(); n != 1 {
		t.Errorf("one query after the other took %d streams", n)
	}
	if waiting, _, _, bytes := l.counts(); waiting != 0 || bytes != 0 {
		t.Errorf("%d queries of %d bytes are left", waiting, bytes)
	}
}

// Many ask at once, with the same numbers: each gets its own answer, whatever the order.
func TestManyAskAtOnce(t *testing.T) {
	t.Parallel()
	const clients, each = 40, 5
	l := newLab(t, patient(), func(_ int, far net.Conn) {
		defer far.Close()
		for { // two at a time, the second first
			one, err := next(far)
			if err != nil {
				return
			}
			l := far.(*stream).listener
			l.mu.Lock()
			more := len(far.(*stream).unsent) > 0
			l.mu.Unlock()
			if more {
				other, err := next(far)
				if err != nil {
					return
				}
				far.Write(framed(answerTo(other, 0)))
			}
			far.Write(framed(answerTo(one, 0)))
		}
	})
	done := make(chan bool)
	for n := range clients {
		c := l.client()
		go func() {
			defer func() { done <- true }()
			for k := range each {
				c.conn.Write(question(7, fmt.Sprintf("host%d.of%d.example.", k, n), 0))
				m, err := c.within(patience)
				if err != nil || m.ID != 7 || m.Questions[0].Name.String() != fmt.Sprintf("host%d.of%d.example.", k, n) || m.RCode != dnsmessage.RCodeSuccess {
					t.Errorf("%d of %d: %v, %+v", k, n, err, m)
					return
				}
			}
		}()
	}
	for range clients {
		<-done
	}
	if _, streams, open, _ := l.counts(); streams > usual.streams || open > usual.open {
		t.Errorf("%d streams, %d open", streams, open)
	}
}

// What does not fit into a datagram is asked for again over TCP.
func TestTruncates(t *testing.T) {
	t.Parallel()
	l := newLab(t, patient(), func(_ int, far net.Conn) {
		defer far.Close()
		for {
			query, err := next(far)
			if err != nil {
				return
			}
			far.Write(framed(answerTo(query, 3000)))
		}
	})
	c := l.client()
	for _, size := range []int{0, 600, 4096} {
		c.send(question(9, "large.example.", size))
		m := c.receive()
		c.expect(m, dnsmessage.RCodeSuccess)
		if fits := size > 3000; m.Truncated == fits || (len(m.Answers) > 0) != fits || !m.Authoritative || !m.RecursionAvailable || m.ID != 9 {
			t.Errorf("who takes %d bytes got %+v with %d answers", size, m.Header, len(m.Answers))
		}
		if !fitsEDNS(m, size) {
			t.Errorf("who takes %d bytes got %+v", size, m.Additionals)
		}
	}
	if largest(netAddr("192.0.2.1")) != ownSize || largest(netAddr("::1")) != largestHere {
		t.Error("who is not on this machine could have others flooded")
	}
}

// A server that closes after each answer, as some do, answers all of a crowd.
func TestOneAnswerForEachStream(t *testing.T) {
	t.Parallel()
	l := newLab(t, patient(), func(_ int, far net.Conn) {
		defer far.Close()
		if query, err := next(far); err == nil {
			far.Write(framed(answerTo(query, 0)))
		}
	})
	c := l.client()
	for id := range uint16(60) {
		c.send(question(id, "crowd.example.", 0))
	}
	for range 60 {
		c.expect(c.receive(), dnsmessage.RCodeSuccess)
	}
}

// Whoever has the far end lies, or says nothing: who asks is told that there is no answer, and the next stream does.
func TestLies(t *testing.T) {
	for name, lie := range map[string]func(query []byte, far net.Conn){
		"never answers":     func(_ []byte, far net.Conn) { io.Copy(io.Discard, far) },
		"closes":            func([]byte, net.Conn) {},
		"ends in the midst": func(query []byte, far net.Conn) { far.Write(framed(answerTo(query, 0))[:20]) },
		"only a length":     func(_ []byte, far net.Conn) { far.Write([]byte{1}) },
		"no length":         func(_ []byte, far net.Conn) { far.Write([]byte{0, 0}) },
		"too short":         func(_ []byte, far net.Conn) { far.Write(append([]byte{0, 11}, make([]byte, 11)...)) },
		"another number": func(query []byte, far net.Conn) {
			setID(query, idOf(query)+1)
			far.Write(framed(answerTo(query, 0)))
			io.Copy(io.Discard, far)
		},
		"another question": func(query []byte, far net.Conn) {
			far.Write(framed(answerTo(question(idOf(query), "evil.example.", 0), 0)))
			io.Copy(io.Discard, far)
		},
		"no question": func(query []byte, far net.Conn) {
			far.Write(framed([]byte{query[0], query[1], bitResponse, 0, 0, 0, 0, 0, 0, 0, 0, 0}))
			io.Copy(io.Discard, far)
		},
		"a query": func(query []byte, far net.Conn) { far.Write(framed(query)); io.Copy(io.Discard, far) },
		"much that nobody asked for": func(query []byte, far net.Conn) {
			m := framed(answerTo(question(idOf(query)+7, "evil.example.", 0), 60000))
			for {
				if _, err := far.Write(m); err != nil {
					return
				}
			}
		},
		"half a huge answer": func(_ []byte, far net.Conn) {
			far.Write(append([]byte{0xff, 0xff}, make([]byte, 60000)...))
			io.Copy(io.Discard, far)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lying atomic.Bool
			lying.Store(true)
			l := newLab(t, quick(), func(n int, far net.Conn) {
				if !lying.Load() {
					honest(n, far)
					return
				}
				defer far.Close()
				if query, err := next(far); err == nil {
					lie(query, far)
				}
			})
			c := l.client()
			c.expect(c.ask(1, "lies.example."), dnsmessage.RCodeServerFailure)
			lying.Store(false)
			c.succeed(2, "truth.example.")
			if m, err := c.within(10 * time.Millisecond); !isTimeout(err) {
				t.Errorf("and got %+v, %v", m, err)
			}
			l.eventually("nothing waits", func() bool { waiting, _, _, bytes := l.counts(); return waiting == 0 && bytes == 0 })
		})
	}
}

// A stream that nobody reads leads nowhere: whoever closes it, refuses.
func TestRefusedAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t, patient(), func(_ int, far net.Conn) { far.Close() })
	c := l.client()
	began := time.Now()
	c.expect(c.ask(1, "refused.example."), dnsmessage.RCodeServerFailure)
	if took := time.Since(began); took > patience {
		t.Errorf("it took %v", took)
	}
}

// In an outage nobody reads: queries wait for their time and no longer, the stream is given up, and those who ask then get answers.
func TestWaitsForTheServer(t *testing.T) {
	t.Parallel()
	var back atomic.Bool
	l := newLab(t, quick(), func(n int, far net.Conn) {
		if !back.Load() {
			defer far.Close()
			<-far.(*stream).Left().Done()
			return
		}
		honest(n, far)
	})
	c := l.client()
	c.expect(c.ask(1, "down.example."), dnsmessage.RCodeServerFailure)
	l.eventually("the stream is given up", func() bool { _, streams, open, _ := l.counts(); return streams == 0 && open == 0 })
	back.Store(true)
	c.succeed(2, "up.example.")
}

// What was asked before the connection broke is asked again.
func TestAsksAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t, patient(), func(n int, far net.Conn) {
		if n > 0 {
			honest(n, far)
			return
		}
		defer far.Close()
		next(far)
	})
	c := l.client()
	c.expect(c.ask(1, "again.example."), dnsmessage.RCodeSuccess)
}

// A server that sends what nobody has asked for is not listened to for as long as the question would wait.
func TestStraysEndTheStream(t *testing.T) {
	t.Parallel()
	l := newLab(t, patient(), func(_ int, far net.Conn) {
		defer far.Close()
		query, err := next(far)
		m := framed(answerTo(question(idOf(query)+7, "evil.example.", 0), 0))
		for err == nil {
			_, err = far.Write(m)
		}
	})
	c := l.client()
	c.expect(c.ask(1, "flood.example."), dnsmessage.RCodeServerFailure)
}

// A stream that has left a question unanswered gets no other one.
func TestSilentStreamIsGivenUp(t *testing.T) {
	t.Parallel()
	most := quick()
	most.idle = time.Hour
	l := newLab(t, most, func(_ int, far net.Conn) {
		defer far.Close()
		io.Copy(io.Discard, far)
	})
	c := l.client()
	c.expect(c.ask(1, "silent.example."), dnsmessage.RCodeServerFailure)
	l.eventually("no stream is open", func() bool { _, streams, open, _ := l.counts(); return streams+open == 0 })
}
