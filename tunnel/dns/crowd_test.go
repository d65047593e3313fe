package dns

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// deaf answers all but names that begin with "dead".
func deaf(_ int, far net.Conn) {
	defer far.Close()
	for {
		query, err := next(far)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(query) != nil || len(m.Questions) != 1 {
			return
		}
		if strings.HasPrefix(m.Questions[0].Name.String(), "dead") {
			continue
		}
		if _, err := far.Write(framed(answerTo(query, 0))); err != nil {
			return
		}
	}
}

// Whoever asks much that nobody answers keeps nobody else from an answer: neither by the number of queries nor by their size.
func TestDeadNamesKeepNobodyFromAnswers(t *testing.T) {
	t.Parallel()
	for name, padding := range map[string]int{"many": 0, "large": 60000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dead := func(id int) []byte {
				return append(question(uint16(id), fmt.Sprintf("dead%05d.example.", id), 0), make([]byte, padding)...)
			}
			most := patient()
			most.queries, most.fair = 20, 100*time.Millisecond
			if padding > 0 {
				most.bytes = 3 * len(dead(0))
			}
			l := newLab(t, most, deaf)
			hog, c, asked := l.client(), l.client(), 0
			l.eventually("there is no more room", func() bool {
				hog.send(dead(asked)) // one that is large may be lost on the way
				asked++
				waiting, _, _, bytes := l.counts()
				return waiting == most.queries || bytes == most.bytes
			})
			c.succeed(1, "live.example.")
			for id := range uint16(10) {
				c.expect(c.ask(2+id, "live.example."), dnsmessage.RCodeSuccess)
			}
			if m, err := hog.within(patience); err != nil || m.RCode != dnsmessage.RCodeServerFailure {
				t.Errorf("who waited longest got %+v, %v", m.Header, err)
			}
		})
	}
}

// A query that had to make room is not held against the stream when its answer comes late.
func TestLateAnswersAreNoStrays(t *testing.T) {
	t.Parallel()
	most := patient()
	most.queries, most.fair, most.strays = 1, 0, 0
	asked := make(chan bool, 1)
	l := newLab(t, most, func(n int, far net.Conn) {
		defer far.Close()
		if n > 0 {
			t.Error("the query was asked on another stream")
		}
		first, err := next(far)
		if err != nil {
			return
		}
		asked <- true
		second, err := next(far)
		if err != nil {
			return
		}
		far.Write(framed(answerTo(first, 0)))
		far.Write(framed(answerTo(second, 0)))
		next(far)
	})
	c := l.client()
	c.send(question(1, "first.example.", 0))
	<-asked
	c.send(question(2, "second.example.", 0))
	want := map[uint16]dnsmessage.RCode{1: dnsmessage.RCodeServerFailure, 2: dnsmessage.RCodeSuccess}
	for range want {
		m := c.receive()
		c.expect(m, want[m.ID])
	}
	if waiting, _, _, bytes := l.counts(); waiting != 0 || bytes != 0 {
		t.Errorf("%d queries of %d bytes are left", waiting, bytes)
	}
}
