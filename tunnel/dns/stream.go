package dns

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// stream is a connection of which the far end is somebody else's: who reads from it gets queries, and who writes to it brings
// answers. One goroutine reads, one writes; whoever has it from Accept closes it.
type stream struct {
	listener *Listener
	left     context.Context // done when the stream has ended
	end      context.CancelFunc
	wake     chan struct{} // of one element: there is something to read
	rest     []byte        // of Read: what did not fit
	partial  []byte        // of Write: the beginning of a message

	// The following are guarded by Listener.mu.
	pending  map[uint16]*query // by their numbers here
	unsent   []*query          // of those
	number   uint16            // of the next
	taken    bool              // it was handed out
	opened   bool              // somebody reads: it leads to a server
	began    time.Time         // when that was
	answered bool
	stale    bool // takes no more queries
	ended    bool
	closed   bool // by who has it
	strays   int
	idle     *time.Timer
}

// newStream is called under Listener.mu.
func newStream(l *Listener) *stream {
	s := &stream{listener: l, wake: make(chan struct{}, 1), pending: make(map[uint16]*query), number: uint16(rand.Uint32())}
	s.left, s.end = context.WithCancel(context.Background())
	l.streams = append(l.streams, s)
	l.open++
	l.fresh <- s // has room for all that may be open
	return s
}

// Left returns a context that is done when nobody wants the stream any more, though it was not read.
func (s *stream) Left() context.Context { return s.left }

func (s *stream) addLocked(q *query) {
	for s.pending[s.number] != nil {
		s.number++
	}
	q.stream, q.wireID, q.sent = s, s.number, false
	s.number++
	s.pending[q.wireID] = q
	s.unsent = append(s.unsent, q)
	if s.idle != nil {
		s.idle.Stop()
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *stream) removeLocked(q *query) {
	delete(s.pending, q.wireID)
	s.unsent = slices.DeleteFunc(s.unsent, func(other *query) bool { return other == q })
	q.stream = nil
	if len(s.pending) == 0 && s.opened && !s.ended {
		s.restLocked()
	}
}

// restLocked ends the stream after some time, unless it is wanted again.
func (s *stream) restLocked() {
	if s.idle == nil {
		s.idle = time.AfterFunc(s.listener.limits.idle, s.rested)
		return
	}
	s.idle.Reset(s.listener.limits.idle)
}

func (s *stream) rested() {
	s.listener.mu.Lock()
	defer s.listener.mu.Unlock()
	if len(s.pending) == 0 {
		s.endLocked(false)
	}
}

// endLocked ends the stream. Its queries are asked on another one where again says so, and else where they have not been lost too
// often already, or could not be asked at all.
func (s *stream) endLocked(again bool) (all replies) {
	if s.ended {
		return nil
	}
	l := s.listener
	s.ended, s.stale = true, true
	s.end()
	if s.idle != nil {
		s.idle.Stop()
	}
	l.streams = slices.DeleteFunc(l.streams, func(other *stream) bool { return other == s })
	lost := s.pending
	s.pending, s.unsent = nil, nil
	for _, q := range lost {
		q.stream = nil
		if !again && !s.answered {
			q.tries++
		}
		if l.ended || !again && !s.opened || q.tries >= maxTries {
			all = append(all, q.endLocked(failure(q.text, serverFailure)))
			continue
		}
		all = append(all, l.askLocked(q)...)
	}
	return all
}

// answer gives an answer to who has asked for it, and is false where the stream has ended. What is not the answer to a question that
// was asked here is counted, and otherwise ignored.
func (s *stream) answer(m []byte) bool {
	l := s.listener
	l.mu.Lock()
	if s.ended {
		l.mu.Unlock()
		return false
	}
	var all replies
	q := s.pending[idOf(m)]
	if q == nil || !q.answeredBy(m) {
		if s.strays++; s.strays > l.limits.strays {
			all = s.endLocked(false)
		}
	} else {
		s.answered = true
		all = replies{q.endLocked(q.answer(m))}
		if s.stale && len(s.pending) == 0 {
			s.endLocked(false)
		}
	}
	ended := s.ended
	l.mu.Unlock()
	l.send(all)
	return !ended
}

// answeredBy reports whether m, which has the number of q, is an answer to it. A server that cannot read a question may leave it out.
func (q *query) answeredBy(m []byte) bool {
	if !q.sent || !isResponse(m) {
		return false
	}
	return sameQuestion(q.text, m) || questions(m) == 0 && m[3]&bitsCode != 0
}

// answer returns m for who has asked q.
func (q *query) answer(m []byte) []byte {
	if len(m) > min(room(q.text), largest(q.to.to.Addr())) {
		m = truncated(q.text, m)
	}
	setID(m, q.id)
	return m
}
