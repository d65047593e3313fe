package tunnel

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// keepalive is a global request that every server answers, if only with a failure (OpenSSH PROTOCOL §2.8).
const keepalive = "keepalive@openssh.com"

const (
	// muteTime is how long a proof is waited for on a session where nothing was ever answered.
	muteTime = 10 * time.Second

	// muteGrace is how long a session must outlive an EOF where the server proves nothing. The library closes every channel
	// just before the end of the session shows elsewhere.
	muteGrace = 250 * time.Millisecond
)

// lifeProofs finds out whether the transport lived after something that was read from it. The library ends every channel with
// a plain io.EOF when the server says goodbye (SSH_MSG_DISCONNECT), when bytes arrive damaged or break the protocol, and
// when the network goes, before any of it shows elsewhere; SSH_MSG_CHANNEL_EOF and SSH_MSG_CHANNEL_CLOSE of a living server
// look the same. But packets are read in order, and nothing is read after the end: an answer to a question that was asked
// after the EOF proves that the server sent it.
//
// Whoever comes while a question is under way shares the next one: there is at most one on its way, however many channels
// end.
type lifeProofs struct {
	patience time.Duration // muteTime, but for tests; set before the session is used

	mu     sync.Mutex // guards the two following
	next   *lifeProof // of those who came since the last question was asked; nil: nobody did
	asking bool       // a goroutine asks for as long as there is a next

	answered atomic.Bool // some request was
	mute     atomic.Bool // the server had its time to answer one, and did not
}

type lifeProof struct {
	known chan struct{} // closed when lived is
	lived bool
}

// lives reports whether the transport is alive now, after whatever the caller has read. It blocks for a round trip, or
// until the session ends or ctx is done, whatever the library does. It is false where there is no proof by then.
func (s *Session) lives(ctx context.Context) bool {
	p := s.proofs.join(s)
	select {
	case <-p.known:
		return p.lived
	case <-s.done:
	case <-ctx.Done():
	}
	select {
	case <-p.known: // both at once
		return p.lived
	default:
		return false
	}
}

// readsOn is lives without a question to the server: it reports whether the library reads on after whatever the caller has
// read. One that has met a goodbye or damage, or the end of the network, does not. That a packet broke the protocol may show too
// late for it, so that it is for an end which the server has told in another way as well.
func (s *Session) readsOn(ctx context.Context) bool {
	select {
	case <-s.link.Wire.AllTaken():
		return !s.broken()
	case <-s.done:
	case <-ctx.Done():
	}
	return false
}

// join returns the proof that is asked for next.
func (q *lifeProofs) join(s *Session) *lifeProof {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == nil {
		q.next = &lifeProof{known: make(chan struct{})}
	}
	if !q.asking {
		q.asking = true
		s.run(func() { q.ask(s) })
	}
	return q.next
}

// ask asks until nobody waits for a proof.
func (q *lifeProofs) ask(s *Session) {
	for p := q.take(); p != nil; p = q.take() {
		p.lived = s.prove()
		close(p.known)
	}
}

func (q *lifeProofs) take() *lifeProof {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.next
	q.next = nil
	q.asking = p != nil
	return p
}

// prove asks the server something and reports whether it answered before the session ended. A server that has never
// answered anything is not waited for again and again: then what counts is that the session goes on for a moment.
func (s *Session) prove() bool {
	if s.proofs.mute.Load() && !s.proofs.answered.Load() {
		return s.outlives(muteGrace)
	}
	answer, late := s.send(keepalive, nil), time.NewTimer(s.proofs.patience)
	defer late.Stop()
	for {
		select {
		case r := <-answer:
			return r.err == nil
		case <-s.done:
			return false
		case <-late.C:
			if s.proofs.answered.Load() {
				continue // it is slow, and whether it is dead is for others to say
			}
			if !s.proofs.mute.Swap(true) {
				s.log.Warn("the server answers no requests; a transfer that it cuts off may look complete")
			}
			return s.outlives(muteGrace)
		}
	}
}

// outlives waits for d and reports whether the session lives then.
func (s *Session) outlives(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return !s.broken()
	case <-s.done:
		return false
	}
}
