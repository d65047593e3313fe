package tunnel

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/interactive"
)

// The bounds of connections that are made because a server allows so many sessions on each (MaxSessions in sshd_config(5), 10
// by default).
const (
	maxAnnexes = 31 // there are
	maxMaking  = 4  // logins at once: sshd begins to drop them at 10 (MaxStartups)
)

// annexes are connections that carry sessions alone, which had no room on those that the monitor keeps. Whoever needs one
// waits for the logins that are under way, however many wait. The zero value is ready.
type annexes struct {
	more func(context.Context) (*Session, error) // makes one; nil: none are made

	mu      sync.Mutex // guards all following fields
	live    []*Session
	waiting int     // sessions without a seat
	logins  *logins // that they wait for; nil: none is under way
	groups  int     // of logins, so far
	failed  int     // the last group of which no login succeeded
	failure error   // of that group
	making  int     // logins under way, those included that nobody waits for any more
	over    int     // logins that have ended
	closed  bool
	running sync.WaitGroup // logins; grows under mu
}

// logins are under way together. annexes.mu guards them.
type logins struct {
	number int // of annexes.groups
	joined int // sessions that have waited for them
	begun  int // so far
	count  int // under way
	end    []context.CancelFunc
	next   chan struct{} // closed and renewed when one has ended
	made   int           // connections
	err    error         // of one that has failed: no more are begun beside the others; nil: none has
}

// OnCrowded has more called when a session finds no room on the connections that there are. more returns a new connection, which
// its maker watches, and retires when it has carried no session for a while. It fails at once while it is too early to try
// again, and is called by several at once. OnCrowded is called before Listen.
func (t *Tunnel) OnCrowded(more func(context.Context) (*Session, error)) { t.annexes.more = more }

var errCrowded = errors.New("no room for another session on any connection")

// openElsewhere opens a session on a connection that has room, if need be on a new one. refusal is what its client is told
// where there is none.
func (t *Tunnel) openElsewhere(ctx context.Context, refusal *ssh.OpenChannelError) (interactive.Channel, error) {
	for range maxAnnexes + 1 {
		p, err := t.seatElsewhere(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			t.log.Debug("no further connection for a session", "err", err)
			return nil, refusal
		}
		ch, err := p.openSession(ctx)
		if errors.Is(err, errSessionDown) || p.crowded {
			continue
		}
		return ch, err
	}
	return nil, refusal
}

func isRefusal(err error) bool {
	_, refused := errors.AsType[*ssh.OpenChannelError](err)
	return refused
}

// seatElsewhere returns a seat on any connection. It waits for logins where there is none.
func (t *Tunnel) seatElsewhere(ctx context.Context) (*place, error) {
	if p := t.freeSeat(); p != nil {
		return p, nil
	}
	a := &t.annexes
	since := a.queue()
	defer a.unqueue()
	var mine *logins
	for {
		over := a.overNow()
		if p := t.freeSeat(); p != nil {
			return p, nil
		}
		l, next, err := t.makeAnnexes(ctx, since, mine, over)
		switch {
		case err != nil:
			return nil, err
		case next == nil:
			continue
		}
		mine = l
		select {
		case <-next:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// overNow returns how many logins have ended.
func (a *annexes) overNow() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.over
}

// freeSeat returns a seat on the least loaded connection that has one: of those that carry the forwards, else of the others,
// so that these end. It is nil where there is none.
func (t *Tunnel) freeSeat() *place {
	for _, list := range [][]*Session{t.pool.sessions(), t.annexes.takers(t.wayNow())} {
		slices.SortStableFunc(list, func(a, b *Session) int { return cmp.Compare(a.Open(), b.Open()) })
		for _, s := range list {
			if s.broken() || s.isLeaving() {
				continue
			}
			p := s.place()
			if p.sit() {
				return p
			}
			p.leave()
		}
	}
	return nil
}

// mostSeats returns how many sessions the server allows on a connection, as far as is known; 0: it is not.
func (t *Tunnel) mostSeats() (most int) {
	for _, s := range slices.Concat(t.pool.sessions(), t.annexes.takers(t.wayNow())) {
		most = max(most, s.seats.Known())
	}
	return most
}

// takers returns those that new sessions may go to. A connection that was made in another way than now keeps its sessions and
// takes no other.
func (a *annexes) takers(now *config.Options) (list []*Session) {
	for _, s := range a.sessions() {
		if s.way.SameConnection(now) {
			list = append(list, s)
		}
	}
	return list
}

// queue counts a session without a seat, and returns which group of logins is the first that it waits for: the one that is
// under way, or else the next.
func (a *annexes) queue() (since int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting++
	if a.logins != nil {
		return a.logins.number
	}
	return a.groups + 1
}

// unqueue is the end of queue. Logins that nobody waits for any more are given up.
func (a *annexes) unqueue() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting--; a.waiting == 0 {
		a.giveUpLocked()
	}
}

func (a *annexes) giveUpLocked() {
	if a.logins == nil {
		return
	}
	for _, end := range a.logins.end {
		end()
	}
	a.logins = nil
}

// makeAnnexes sees to it that as many logins are under way as those who wait need, and returns these and what is closed when
// one has ended. The caller waits for the group since and for all after it: where one of them has failed, that is the error. mine
// is the group that it has joined before. over is how many logins had ended when the caller found no seat: where one has ended
// since there may be one, and both results are nil.
func (t *Tunnel) makeAnnexes(ctx context.Context, since int, mine *logins, over int) (l *logins, next <-chan struct{}, err error) {
	most, a := max(1, t.mostSeats()), &t.annexes
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return nil, nil, errStopping
	case a.more == nil:
		return nil, nil, errCrowded
	case a.over != over:
		return nil, nil, nil
	case a.failed >= since:
		return nil, nil, a.failure
	case a.logins == nil:
		a.groups++
		a.logins = &logins{number: a.groups, next: make(chan struct{})}
	}
	if l = a.logins; l != mine {
		l.joined++
	}
	for l.err == nil && l.begun*most < l.joined && l.count < maxMaking && len(a.live)+a.making < maxAnnexes {
		a.beginLocked(ctx, t, l)
	}
	if l.count == 0 {
		a.logins = nil
		return nil, nil, errCrowded
	}
	return l, l.next, nil
}

// beginLocked begins a login, which is everybody's who waits: it outlives the one that needed it first.
func (a *annexes) beginLocked(ctx context.Context, t *Tunnel, l *logins) {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	l.begun++
	l.count++
	l.end = append(l.end, end)
	a.making++
	a.running.Go(func() {
		defer end()
		s, err := a.more(ctx)
		if err == nil {
			s.seats.Expect(t.mostSeats())
		}
		a.ended(l, s, err)
	})
}

// ended takes over the result of a login, and tells those who wait.
func (a *annexes) ended(l *logins, made *Session, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.making--
	a.over++
	switch {
	case err != nil:
		l.err = err
	case a.closed:
		made.Close()
	default:
		l.made++
		a.live = append(a.live, made)
	}
	if l.count--; l.count == 0 {
		a.endedLocked(l)
	}
	close(l.next)
	l.next = make(chan struct{})
}

// endedLocked notes that a group of logins is over. A group that has failed is the answer to all who waited then, those included
// that had not come to joining it.
func (a *annexes) endedLocked(l *logins) {
	if l.made == 0 && l.number > a.failed {
		a.failed, a.failure = l.number, l.err
	}
	if a.logins == l {
		a.logins = nil
	}
}

// sessions returns those that live.
func (a *annexes) sessions() []*Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.live = slices.DeleteFunc(a.live, (*Session).broken)
	return slices.Clone(a.live)
}

// close returns those that live, for the last time: no more are made. It waits for the logins that are under way, which it ends.
func (a *annexes) close() (live []*Session) {
	a.mu.Lock()
	a.closed = true
	a.giveUpLocked()
	a.mu.Unlock()
	a.running.Wait()
	return a.sessions()
}
