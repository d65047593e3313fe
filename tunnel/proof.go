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
// end. To ask for a channel is a question, too, and where one is asked for every moment its answer will do: then a question of
// our own waits a little for somebody who is in no hurry.
type lifeProofs struct {
	patience time.Duration // muteTime, but for tests; set before the session is used
	tarry    time.Duration // tarryTime, but for tests; as above
	hurried  chan struct{} // of one element: somebody is in a hurry

	mu      sync.Mutex   // guards all following, but for the last two
	waiting []*lifeProof // that nobody has asked for; whoever comes shares the last of them, where it is not sealed
	made    uint64       // number of the last one that there was
	sealed  uint64       // number of the last one that takes nobody any more: a channel has been asked for since
	opened  time.Time    // when a channel was last asked for
	hurry   bool         // one of those who wait cannot wait for long
	asking  bool         // a goroutine asks for as long as somebody waits

	answered atomic.Bool // some request was
	mute     atomic.Bool // the server had its time to answer one, and did not
}

type lifeProof struct {
	number uint64
	known  chan struct{} // closed when lived is
	lived  bool
}

const (
	// openedNow is how long after a channel was asked for another one is expected: programs open many one after the other.
	openedNow = 5 * time.Millisecond

	// tarryTime is how long one may take until it is asked for and answered.
	tarryTime = 2 * time.Millisecond
)

// lives reports whether the transport is alive now, after whatever the caller has read. It blocks for a round trip, or
// until the session ends or ctx is done, whatever the library does. It is false where there is no proof by then.
func (s *Session) lives(ctx context.Context) bool { return s.proven(ctx, s.proofs.join(s, true)) }

// livesUnhurried is lives where it may take a little longer.
func (s *Session) livesUnhurried(ctx context.Context) bool {
	return s.proven(ctx, s.proofs.join(s, false))
}

func (s *Session) proven(ctx context.Context, p *lifeProof) bool {
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

// join returns the proof that is found next.
func (q *lifeProofs) join(s *Session, hurry bool) *lifeProof {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 || q.sealed == q.made {
		q.made++
		q.waiting = append(q.waiting, &lifeProof{number: q.made, known: make(chan struct{})})
	}
	if hurry && !q.hurry {
		q.hurry = true
		select {
		case q.hurried <- struct{}{}:
		default:
		}
	}
	if !q.asking {
		q.asking = true
		s.run(func() { q.ask(s) })
	}
	return q.waiting[len(q.waiting)-1]
}

// ask asks until nobody waits for a proof.
func (q *lifeProofs) ask(s *Session) {
	for {
		q.awaitOpens(s)
		list := q.take()
		if len(list) == 0 {
			return
		}
		tell(list, s.prove())
	}
}

// awaitOpens waits where the answer to somebody who asks for a channel may do.
func (q *lifeProofs) awaitOpens(s *Session) {
	q.mu.Lock()
	wait := !q.hurry && time.Since(q.opened) < openedNow
	q.mu.Unlock()
	if !wait {
		return
	}
	late := time.NewTimer(q.tarry)
	defer late.Stop()
	select {
	case <-late.C:
	case <-q.hurried:
	case <-s.done:
	}
}

func (q *lifeProofs) take() []*lifeProof {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.waiting
	q.waiting, q.hurry, q.asking = nil, false, len(list) > 0
	select {
	case <-q.hurried:
	default:
	}
	return list
}

// opening notes that a channel is about to be asked for, and returns what the answer will prove.
func (q *lifeProofs) opening() (upTo uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.opened, q.sealed = time.Now(), q.made
	return q.sealed
}

// openAnswered notes that the server has answered who asked for a channel: whoever waited when that was asked has a proof.
func (q *lifeProofs) openAnswered(upTo uint64) {
	q.mu.Lock()
	n := 0
	for n < len(q.waiting) && q.waiting[n].number <= upTo {
		n++
	}
	list := q.waiting[:n]
	q.waiting = q.waiting[n:]
	q.mu.Unlock()
	tell(list, true)
}

func tell(list []*lifeProof, lived bool) {
	for _, p := range list {
		p.lived = lived
		close(p.known)
	}
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
