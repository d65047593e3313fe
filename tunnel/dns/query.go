package dns

import (
	"net/netip"
	"time"
)

// key tells a query from all others that wait.
type key struct {
	from     netip.AddrPort
	id       uint16
	question string
}

// maxTries is how many streams a query is lost with that have answered nothing, before it counts as one that has no answer.
const maxTries = 2

// query is one that waits for its answer. The fields are guarded by Listener.mu but for those that never change.
type query struct {
	listener *Listener
	key      key
	id       uint16 // of who asks
	text     []byte // as it came
	to       reply  // without a text

	since  time.Time // when it came
	timer  *time.Timer
	stream *stream // that it is on; nil: none
	wireID uint16  // there
	sent   bool    // there
	tries  int
	over   bool
}

// endLocked takes the query from all that know of it, and returns the answer for who has asked.
func (q *query) endLocked(answer []byte) reply {
	l := q.listener
	q.over = true
	q.timer.Stop()
	delete(l.waiting, q.key)
	l.bytes -= len(q.text)
	if q.stream != nil {
		q.stream.removeLocked(q)
	}
	r := q.to
	r.text = answer
	return r
}

// failLocked is endLocked for a query that has no answer. Where that comes all the same nobody is to blame for it.
func (q *query) failLocked() reply {
	if q.sent && q.stream != nil {
		q.stream.strays--
	}
	return q.endLocked(failure(q.text, serverFailure))
}

// makeRoomLocked sees to it that another query of so many bytes may wait. Where there is no room those are given up that have
// waited longest: most answers come at once, and a few names that nobody answers would keep all others from theirs. It is false
// where none has waited for long enough.
func (l *Listener) makeRoomLocked(size int) (all replies, ok bool) {
	for len(l.waiting) >= l.limits.queries || l.bytes+size > l.limits.bytes {
		now := time.Now()
		if now.Before(l.crowded) {
			return all, false
		}
		q := l.oldestLocked()
		if q == nil {
			return all, false
		}
		if l.crowded = q.since.Add(l.limits.fair); now.Before(l.crowded) {
			return all, false
		}
		s := q.stream
		all = append(all, q.failLocked())
		if s != nil && s.stale && len(s.pending) == 0 {
			s.endLocked(false)
		}
	}
	return all, true
}

// oldestLocked returns the query that has waited longest; nil: none waits.
func (l *Listener) oldestLocked() (oldest *query) {
	for _, q := range l.waiting {
		if oldest == nil || q.since.Before(oldest.since) {
			oldest = q
		}
	}
	return oldest
}

// late ends the query after its time. A stream that has left it unanswered is no good for others; one that nobody has opened yet
// is still wanted by those that it has.
func (q *query) late() {
	l := q.listener
	l.mu.Lock()
	if q.over {
		l.mu.Unlock()
		return
	}
	s := q.stream
	all := replies{q.failLocked()}
	if s != nil {
		s.stale = s.stale || s.opened
		if len(s.pending) == 0 && (s.stale || s.taken) {
			all = append(all, s.endLocked(false)...)
		}
	}
	l.mu.Unlock()
	l.send(all)
}
