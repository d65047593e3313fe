package monitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tunneld/tunneld/monitor/beat"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// pollInterval is how often a session is looked at while a probe is on its way: any byte answers it.
const pollInterval = 250 * time.Millisecond

// supervise minds a session that has joined, and each that replaces it. It returns how long the last one was up and why it ended.
// Where ctx ended, the session is left to Tunnel.Shutdown.
func (l *slot) supervise(ctx context.Context, s Session) (lived time.Duration, err error) {
	var was time.Time
	for {
		w := l.newWatch(s, was)
		next, err := w.supervise(ctx)
		lived := time.Since(w.up)
		switch {
		case ctx.Err() != nil:
			return lived, ctx.Err()
		case next == nil && errors.Is(err, errIdle):
			l.log.Info("disconnecting", "state", Idle, "why", err)
			l.dropAttempt()
			l.m.update(func(now time.Time) {
				l.m.setAsideLocked(l, now)
				l.rec.enter(Idle, errIdle.Error(), now) // a client may want it back before anybody else says so, which is no outage
			})
			l.retire(ctx, s, w.keepalive, spare{quietLong, w.retire}) // who came at the last moment is still served
			return lived, err
		case next == nil:
			l.discard(s, err)
			return lived, err
		case w.homeless:
			l.discard(s, lost("%s, and a new connection is up", w.suspicion(time.Now())))
			l.log.Warn("connection lost", "err", s.Err(), "phase", fault.PhaseSession, "lived", Round(lived))
		default: // one that does not answer may only be late: TCP sends again what was lost, at longer and longer intervals
			l.retire(ctx, s, w.keepalive, w.spare(time.Now()))
		}
		s, was = next, s.Expires()
	}
}

// discard takes out a session that is dead: its open connections are reset.
func (l *slot) discard(s Session, why error) {
	l.m.tunnel.Leave(s)
	s.CloseWith(why)
	l.m.update(func(now time.Time) { l.m.partLocked(l, s, now) })
}

// supervise looks after one session.
type supervision struct {
	l                *slot
	s                Session
	up               time.Time
	keepalive        keepalive
	echo             echo
	keepaliveResults answers     // of one
	echoes           chan answer // of one
	missed           int         // as of the last turn
	doubt            string      // why it is suspect; empty: it is not

	homeless bool      // its address of this machine is gone, as of the last turn; looked at while a nudge is not answered
	due      time.Time // when the next turn was to come
	used     time.Time // when it last carried something; see spent
	carried  uint64    // bytes, as of the last turn

	renewal // when to look for a better session
}

func (l *slot) newWatch(s Session, was time.Time) *supervision {
	now, o := time.Now(), l.m.options()
	return &supervision{
		l: l, s: s, up: now, due: now, used: now,
		keepalive:        newKeepalive(o, now),
		echo:             newEcho(o, now),
		keepaliveResults: make(answers, 1),
		echoes:           make(chan answer, 1),
		renewal:          newRenewal(o, s, was, now),
	}
}

// supervise deals with whatever happens to the session. It returns an error when the session has ended, or the next session
// when a better one has joined.
func (w *supervision) supervise(ctx context.Context) (next Session, err error) {
	probing, stop := context.WithCancel(ctx)
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-w.s.Done():
			return nil, endOf(w.s)
		case <-w.l.m.demand.asleep():
			return nil, errIdle
		case k := <-w.l.nudge:
			w.nudged(ctx, k)
		case <-w.l.ask:
			w.wanted(ctx)
		case a := <-w.keepaliveResults:
			err = w.keepaliveResult(a)
		case a := <-w.echoes:
			w.echoed(a)
		case r := <-w.l.attempt.result():
			next = w.renewed(r)
		case <-timer.C:
		}
		if err == nil && next == nil {
			err = w.turn(ctx, probing)
		}
		if err != nil || next != nil {
			return next, err
		}
		w.due = w.next()
		timer.Reset(time.Until(w.due))
	}
}

// turn does what is due. It returns why the session counts as dead, or nil. Attempts to renew it end with running, which is
// the monitor's, and probes with probing, which is the session's.
func (w *supervision) turn(running, probing context.Context) error {
	now := time.Now()
	w.l.heartbeat()
	if now.Sub(w.due) > overslept {
		w.keepalive.slept(now)
	}
	w.keepalive.hear(w.s.LastRead(), now)
	if err := w.keepalive.dead(now); err != nil {
		return err
	}
	if w.echo.expired(now) {
		w.pathFailed(errEchoLate) // which asks for a keepalive
	}
	if w.echo.early(now) && w.keepalive.spare(now) {
		w.echo.hasten(now)
	}
	if w.keepalive.send(now) {
		w.s.Ask(w.keepaliveResults.take)
	}
	if w.echo.send(now) {
		w.l.m.probe(probing, w.echoes, w.s.Echo)
	}
	w.judge(now)
	if w.l.isAnnex() {
		return w.spent(now)
	}
	w.renew(running, now)
	return nil
}

// next returns the time of the next turn: the soonest of all that is to come.
func (w *supervision) next() time.Time {
	now := time.Now()
	at := now.Add(beat.Until(now, turnEvery) + w.pause())
	if !w.keepalive.asked.IsZero() {
		at = now.Add(pollInterval)
	}
	for _, t := range []time.Time{w.keepalive.next(now), w.echo.next(), w.nextRenewal(now)} {
		at = sooner(at, t)
	}
	return at
}

// pause is how much longer than to the next beat it is to the next look where nothing else is to come.
func (w *supervision) pause() time.Duration {
	in, out := w.s.Counts()
	was := w.carried
	w.carried = in + out
	if w.carried-was > quietBytes || w.doubt != "" || w.l.isAnnex() {
		return 0
	}
	return quietTurn - turnEvery
}

// nudged asks the server whether it lives.
func (w *supervision) nudged(ctx context.Context, k nudge) {
	w.l.nudged = true
	w.l.log.Debug("probing now", "why", k.why)
	w.keepalive.nudge(k.why, k.strict, time.Now())
	w.earliest = time.Time{}
	w.l.restartAttempt(ctx)
}

// wanted has a person who asks for a new session served at once, whatever the wait after earlier attempts.
func (w *supervision) wanted(ctx context.Context) {
	if w.l.isAnnex() {
		w.asked = true
		return
	}
	if w.asked = w.l.serve(ctx); w.asked {
		w.earliest = time.Time{}
	}
}

// keepaliveResult takes over the result of a keepalive.
func (w *supervision) keepaliveResult(a answer) error {
	if a.err == nil {
		sent := w.keepalive.asked
		w.keepalive.answered(time.Now())
		w.confirm(sent)
		w.l.m.answered(w.l, keepaliveProbe, a.rtt)
		w.l.log.Debug("probe answered", "probe", keepaliveProbe, "rtt", Round(a.rtt))
		return nil
	}
	select {
	case <-w.s.Done():
		return endOf(w.s)
	default:
		return lost("keepalive: %w", a.err)
	}
}

// echoed takes over the result of an echo.
func (w *supervision) echoed(a answer) {
	switch {
	case errors.Is(a.err, context.Canceled):
		return
	case errors.Is(a.err, errors.ErrUnsupported):
		w.l.m.echoVoid(w.l, a.err)
	case a.err == nil:
		w.l.m.echoWorks(w.l)
		w.l.m.answered(w.l, echoProbe, a.rtt)
		w.l.log.Debug("probe answered", "probe", echoProbe, "rtt", Round(a.rtt))
	}
	if w.echo.answered(a.err) {
		w.pathFailed(a.err)
	}
}

// pathFailed asks the server whether it lives: then it is the data path that has failed, else it may be the transport.
func (w *supervision) pathFailed(cause error) {
	now := time.Now()
	w.echo.suspect(cause, now)
	w.keepalive.nudge("echo: "+cause.Error(), false, now)
}

// confirm notes that a keepalive sent at that time was answered. One that was sent before the echo failed proves
// nothing, so the next is sent.
func (w *supervision) confirm(sent time.Time) {
	switch {
	case w.echo.confirmed(sent):
		w.l.m.unanswered(echoProbe, 1)
		if w.echo.void != nil {
			w.l.m.echoVoid(w.l, w.echo.void)
		}
	case w.echo.doubt != nil:
		w.pathFailed(w.echo.doubt)
	}
}

// judge sets Up or Suspect.
func (w *supervision) judge(now time.Time) {
	missed := w.keepalive.missed(now)
	if missed > w.missed {
		w.l.m.unanswered(keepaliveProbe, missed-w.missed)
	}
	w.missed = missed
	w.homeless = !w.keepalive.nudged.IsZero() && w.s.Homeless()
	was := w.doubt
	w.doubt = w.suspicion(now)
	w.s.Doubt(w.doubt != "")
	switch {
	case was == "" && w.doubt != "":
		w.l.log.Warn("connection is suspect", "state", Suspect, "was", Up, "why", w.doubt, "missed", missed)
		w.l.enter(Suspect, w.doubt)
	case was != "" && w.doubt == "":
		w.l.log.Info("connection answers again", "state", Up, "was", Suspect)
		w.l.enter(Up, "")
	case was != w.doubt:
		w.l.enter(Suspect, w.doubt)
	}
}

// suspicion returns what is wrong with the session, in words that a person reads; empty: nothing.
func (w *supervision) suspicion(now time.Time) string {
	switch {
	case w.homeless:
		return fmt.Sprintf("this machine lost the address that it was made from (%s)", w.keepalive.why)
	case w.keepalive.missed(now) > 0:
		return fmt.Sprintf("no byte for %s", time.Duration(w.keepalive.missed(now))*w.keepalive.interval)
	case w.keepalive.unanswered(now):
		return fmt.Sprintf("no answer for %s (%s)", w.keepalive.patience(), w.keepalive.why)
	case w.echo.suspicious():
		return fmt.Sprintf("data path: %v, %s; keepalives are answered", w.echo.cause, fault.Count(w.echo.failed, "time"))
	}
	return ""
}

// answer is the result of a probe.
type answer struct {
	rtt time.Duration
	err error
}

// answers takes the results of probes. It has room for all that are on their way.
type answers chan answer

func (c answers) take(rtt time.Duration, err error) { c <- answer{rtt, err} }

// probe sends a probe in a goroutine of its own: the calls into x/crypto end when the session is closed, at the latest
// (x/crypto/ssh mux.go, SendRequest has no timeout). into has room for the answer.
func (m *Monitor) probe(ctx context.Context, into chan<- answer, call func(context.Context) (time.Duration, error)) {
	m.wg.Go(func() {
		rtt, err := call(ctx)
		into <- answer{rtt, err}
	})
}

// endOf returns why a session ended.
func endOf(s Session) error {
	err := s.Err()
	switch {
	case err == nil:
		return lost("the server closed the connection")
	case fault.PhaseOf(err) == "":
		return lost("%w", err)
	}
	return err
}
