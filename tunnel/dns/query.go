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
	all := replies{q.endLocked(failure(q.text, serverFailure))}
	if s != nil {
		s.stale = s.stale || s.opened
		if len(s.pending) == 0 && (s.stale || s.taken) {
			all = append(all, s.endLocked(false)...)
		}
	}
	l.mu.Unlock()
	l.send(all)
}
