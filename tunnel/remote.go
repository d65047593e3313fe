package tunnel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/limit"
)

// askSchedule says how long to wait before a refused port is asked for again; the last entry repeats. A port that an
// earlier connection of ours still holds becomes free when the server notices that one's death.
var askSchedule = [...]time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second}

// holderEvery says at which tries it is found out who holds a refused port: the first, and then now and again.
const holderEvery = 5

// remoteForward is a -R. It belongs to the Tunnel and lives on one session at a time, its owner.
type remoteForward struct {
	tunnel      *Tunnel
	forward     atomic.Pointer[config.Forward] // only its target ever changes
	log         *slog.Logger
	count       counter
	share       *limit.Share // of the connections that the process may have; set by start
	inbound     *limit.Share // of those that servers may have opened; set by start
	limited     limited
	unreachable wrongTarget
	cancel      context.CancelFunc // set by start
	keeping     sync.WaitGroup
	chosen      uint32 // the port that the server chose last; 0: none yet. Only keep's goroutine touches it

	mu    sync.Mutex // guards all following fields
	state ForwardState
	bound string
	news  chan struct{}     // closed and renewed with each change of state
	open  map[*channel]bool // connections that are being carried
}

func newRemoteForward(t *Tunnel, f config.Forward) *remoteForward {
	r := &remoteForward{tunnel: t, log: t.log.With("forward", Spec(f)), state: ForwardAsking, open: make(map[*channel]bool), news: make(chan struct{})}
	r.forward.Store(&f)
	return r
}

func (f *remoteForward) current() config.Forward { return *f.forward.Load() }

// start makes the forward ready for stop, and returns a function that must be called: it does not block, and has the forward
// live until stop or the end of ctx.
func (f *remoteForward) start(ctx context.Context) (live func()) {
	ctx, f.cancel = context.WithCancel(ctx)
	f.share, f.inbound = f.tunnel.limits.connections.Join(0), f.tunnel.limits.inbound.Join(0)
	f.keeping.Add(1)
	return func() {
		go func() {
			defer f.keeping.Done()
			f.keep(ctx)
			f.closeUnused()
		}()
	}
}

// stop gives the listener up and waits for that. Open connections go on; those that have carried nothing are closed.
func (f *remoteForward) stop() {
	f.cancel()
	f.keeping.Wait()
	f.share.Leave()
	f.inbound.Leave()
}

// keep has the forward live on one session after the other until ctx is done.
func (f *remoteForward) keep(ctx context.Context) {
	var heirs uint64 // up to this number, sessions had joined when the one that had the listener was left
	for ctx.Err() == nil {
		s := f.tunnel.pool.owner(ctx)
		if s == nil {
			return
		}
		heir := s.joined <= heirs
		if f.establish(ctx, s, heir) || heir {
			heirs = f.tunnel.pool.joinedSoFar()
		}
		f.set(ForwardAsking, "")
		select {
		case <-s.leaving:
		case <-ctx.Done():
			return
		}
	}
}

// establish asks s for the listener until it is granted, and keeps it until s is left. s owns the forward until establish returns,
// which reports whether the listener was granted. heir: see mayAskAgain.
func (f *remoteForward) establish(ctx context.Context, s *Session, heir bool) (granted bool) {
	defer s.owned.done()
	h := occupant{end: func() {}}
	defer func() { h.end() }()
	for try := 0; ; try++ {
		l, err := f.ask(ctx, s)
		if err == nil {
			h.end()
			f.listening(l)
			f.keepUntilLeft(ctx, s, l)
			return true
		}
		if ctx.Err() != nil || !f.mayAskAgain(s, err, heir) {
			return false
		}
		if try%holderEvery == 0 && errors.Is(err, errDenied) {
			h.end()
			h = f.probeOccupant(ctx, s)
			if privileged(f.tunnel.wayNow().User, f.forward.Load().Listen) && !errors.Is(h.why, errHeldByUs) {
				h.why = errPrivileged // whoever else has it: a web server on port 80 is no rival that lets go
			}
		}
		wait := askSchedule[min(try, len(askSchedule)-1)]
		f.noteRefused(cmp.Or(h.why, err), try, wait)
		if !h.await(ctx, s, wait) {
			return false
		}
	}
}

// serverChooses reports whether the server is to choose the port.
func (f *remoteForward) serverChooses() bool {
	listen := f.forward.Load().Listen
	return listen.Port == 0 && !listen.IsUnix()
}

// ask asks s to listen. A port that the server chose is asked for again: people have passed its number on.
func (f *remoteForward) ask(ctx context.Context, s *Session) (*remoteListen, error) {
	listen := f.forward.Load().Listen
	if !f.serverChooses() {
		return s.listen(ctx, listen, f.accept)
	}
	if f.chosen != 0 {
		same := listen
		same.Port = int(f.chosen)
		if l, err := s.listen(ctx, same, f.accept); !errors.Is(err, errDenied) {
			return l, err
		}
	}
	l, err := s.listen(ctx, listen, f.accept)
	if err == nil {
		f.changed(l.port)
	}
	return l, err
}

// changed notes which port the server chose, and logs it where it is another than before.
func (f *remoteForward) changed(port uint32) {
	if f.chosen != 0 && f.chosen != port {
		f.log.Warn("the server chose another port than before", "was", f.chosen, "listen", port)
	}
	f.chosen = port
}

// sleep waits for d. It is false when the session is left or ctx is done before.
func (s *Session) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.leaving:
		return false
	case <-ctx.Done():
		return false
	}
}

func (f *remoteForward) listening(l *remoteListen) {
	bound := boundText(l)
	f.set(ForwardListening, bound)
	f.count.lastError.Store(nil)
	f.log.Info("listening", "listen", bound)
}

// boundText returns where the server listens, as it was asked, with the port that it chose.
func boundText(l *remoteListen) string {
	if l.endpoint.IsUnix() {
		return l.endpoint.Path
	}
	return net.JoinHostPort(l.host, strconv.Itoa(int(l.port)))
}

// keepUntilLeft waits until s is left. On a session that lives on, the listener is given up, so that the next owner may have it.
func (f *remoteForward) keepUntilLeft(ctx context.Context, s *Session, l *remoteListen) {
	select {
	case <-s.leaving:
	case <-ctx.Done():
	}
	if s.broken() {
		s.listens.remove(l)
		return
	}
	if err := s.unlisten(context.WithoutCancel(ctx), l); err != nil {
		f.log.Debug("listener not given up", "err", err)
	}
}

// mayAskAgain reports whether s may be asked once more. It ends s where ExitOnForwardFailure wants that: not an heir, which served
// already when another session of ours was replaced or lost that had the listener. The server may hear of that later than we do, behind
// all that is on its way there, and others' connections go through s.
func (f *remoteForward) mayAskAgain(s *Session, err error, heir bool) bool {
	if f.tunnel.options.Load().ExitOnForwardFailure && errors.Is(err, errDenied) && !heir && !f.tunnel.isAdded(f.current()) {
		s.end(&fault.Error{
			Phase: fault.PhaseForward,
			Err:   f.failure(err),
			Hint:  "ExitOnForwardFailure yes ends the connection when a port is refused; without it the other forwards live on",
		})
	}
	return !s.broken()
}

// failure words err as ssh does.
func (f *remoteForward) failure(err error) error {
	return fmt.Errorf("remote port forwarding failed for listen port %s: %w", listenText(f.forward.Load().Listen), err)
}

// noteRefused notes why the server does not listen. A person is told when the reason is new.
func (f *remoteForward) noteRefused(why error, try int, wait time.Duration) {
	state := ForwardFailed
	if errors.Is(why, errHeld) {
		state = ForwardStandby
	}
	now := newFailure(why)
	before := f.count.lastError.Swap(now)
	f.set(state, "")
	if try == 0 || before == nil || before.text != now.text {
		f.log.Warn("remote listener refused", "listen", listenText(f.forward.Load().Listen), "err", why, "retry_in", wait)
		return
	}
	f.log.Debug("remote listener refused again", "err", why, "retry_in", wait)
}

func (f *remoteForward) set(state ForwardState, bound string) {
	f.mu.Lock()
	f.state, f.bound = state, bound
	close(f.news)
	f.news = make(chan struct{})
	f.mu.Unlock()
	f.tunnel.noteChange()
}

// answered waits for an answer of the server that holds now, and returns where it listens. The error is why it does not, or
// ctx's.
func (f *remoteForward) answered(ctx context.Context) (bound string, err error) {
	for {
		f.mu.Lock()
		state, bound, news := f.state, f.bound, f.news
		f.mu.Unlock()
		switch state {
		case ForwardListening:
			return bound, nil
		case ForwardFailed, ForwardStandby:
			return "", f.failure(errors.New(f.status().LastError))
		}
		select {
		case <-news:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

func (f *remoteForward) status() ForwardStatus {
	forward := *f.forward.Load()
	f.mu.Lock()
	s := ForwardStatus{Kind: forward.Kind, Spec: argument(forward), State: f.state, Target: targetText(forward), Limit: f.limited.text(), Added: f.tunnel.isAdded(forward)}
	if f.bound != "" {
		s.Bound = []string{f.bound}
	}
	f.mu.Unlock()
	f.count.fill(&s)
	return s
}
