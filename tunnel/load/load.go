// Package load says which of several connections to a server is the one for whoever comes next.
package load

import (
	"cmp"
	"sync"
	"time"
)

// Load is what is to be said against one.
type Load struct {
	Doubted   bool // the server may not be there any more
	Transfers int  // streams of many bytes, behind which others wait
	Open      int  // all that use it or are about to
}

// less reports whether l is the one to be taken.
func (l Load) less(other Load) bool {
	if l.Doubted != other.Doubted {
		return other.Doubted
	}
	return cmp.Or(cmp.Compare(l.Transfers, other.Transfers), cmp.Compare(l.Open, other.Open)) < 0
}

// Choice looks for the least of several loads.
type Choice struct {
	seen, transfers int
	least           Load
}

// Better reports whether l is the least so far.
func (c *Choice) Better(l Load) bool {
	c.seen++
	c.transfers += l.Transfers
	better := c.seen == 1 || l.less(c.least)
	if better {
		c.least = l
	}
	return better
}

// Made calls beside where there were several, and a transfer on one.
func (c *Choice) Made(beside func()) {
	if c.seen > 1 && c.transfers > 0 {
		beside()
	}
}

const (
	block   = 64 << 10               // bytes
	quick   = 250 * time.Millisecond // what a block of a transfer takes at most: 256 KiB/s
	patient = 2 * quick              // when no block has come for so long it is none any more
)

// Transfers are the streams of a connection that carry much at the moment. The zero value has none. Its methods may be called from any
// goroutine.
type Transfers struct {
	mu    sync.Mutex
	known map[*Stream]time.Time // with the end of the last block
}

// Count is how many there are.
func (t *Transfers) Count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s, last := range t.known {
		if time.Since(last) > patient {
			delete(t.known, s)
		}
	}
	return len(t.known)
}

// Stream is one that may be a transfer, in either direction or in both.
type Stream struct {
	mu    sync.Mutex
	bytes int       // of the block that has begun
	last  time.Time // when the block before ended
	over  bool
}

// Carry notes bytes of s, which is one of t.
func (t *Transfers) Carry(s *Stream, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes += n; s.bytes < block || s.over {
		return
	}
	now := time.Now()
	took := now.Sub(s.last)
	s.bytes, s.last = 0, now
	if took <= quick {
		t.add(s, now)
	}
}

func (t *Transfers) add(s *Stream, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = make(map[*Stream]time.Time)
	}
	t.known[s] = now
}

// End notes that nothing more of s is to be waited for.
func (t *Transfers) End(s *Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, s)
}
