package monitor

import (
	"context"
	"log/slog"
	"time"

	"github.com/tunneld/tunneld/config"
)

const (
	expiryLead  = 5 * time.Minute  // a certificate's end is looked at this long before, or a tenth of its time if that is less
	expiryLeast = 30 * time.Second // but not later than this before its end
	expiryShort = time.Minute      // a certificate with less than this to go is looked at once, when a third of that is left
)

const (
	// keysLeast is how long a session serves before its keys are a reason to replace it: a small RekeyLimit under load must
	// not make one connection after the other.
	keysLeast = time.Minute

	// quietLong is how long connections that say nothing may go on after their session was replaced for its keys, or had begun to
	// go because nobody used it when they came. Nobody asked for that, and with ssh they would not have noticed anything.
	quietLong = time.Hour

	// forever is longer than anything lives.
	forever = 100 * 365 * 24 * time.Hour
)

// renewal decides when to make a new session beside one that lives: make before break. Each turn asks it anew, so that an
// attempt for which there is no reason any more is dropped.
type renewal struct {
	asked   bool      // somebody waits for a new session (Reconnect)
	retire  time.Time // TunneldMaxLifetime is reached; zero: never
	expires time.Time // of the certificate, by the wall clock; zero: never
	replace time.Time // when to try for a new certificate, by the wall clock; zero: never
	stale   string    // why its keys have been used for long enough, as of the last turn; empty: they have not

	backoff  backoff   // between attempts that failed
	earliest time.Time // of the next attempt
	why      string    // what the running attempt is for
	kept     string    // why the last attempt failed; empty: none has
}

// newRenewal takes the end of the predecessor's certificate, too: zero where there was none.
func newRenewal(o *config.Options, s Session, was, now time.Time) renewal {
	r := renewal{backoff: backoff{max: o.BackoffMax}, expires: s.Expires()}
	if o.MaxLifetime > 0 {
		r.retire = now.Add(o.MaxLifetime)
	}
	switch left := r.expires.Sub(now); {
	case r.expires.IsZero():
	case left > expiryShort:
		r.replace = r.expires.Add(-max(expiryLeast, min(expiryLead, left/10)))
	case !r.expires.Equal(was): // else the certificate was not renewed meanwhile
		r.replace = r.expires.Add(-left / 3)
	}
	return r
}

// reason returns why a new session is wanted, in words that a person reads; empty: none is.
func (w *supervision) reason(now time.Time) string {
	switch {
	case w.asked:
		return "asked to reconnect"
	case !w.retire.IsZero() && !now.Before(w.retire):
		return "TunneldMaxLifetime reached"
	case !w.replace.IsZero() && !now.Before(w.replace):
		return "certificate ends " + w.expires.Format(time.RFC3339)
	case w.stale != "":
		return w.stale
	case w.echo.broken(), w.homeless, w.keepalive.unanswered(now), w.missed > 0 && now.Sub(w.keepalive.heard) >= patience:
		return w.doubt
	}
	return ""
}

// spare returns what connections that say nothing get after the session was replaced. One that was only late, or whose certificate
// ends, goes on for as long as it lives by the rule of ssh, at most to TunneldMaxLifetime: nobody asked for its end, and it may answer
// again; the server does not look at the certificate any more.
func (w *supervision) spare(now time.Time) spare {
	switch {
	case w.asked, !w.retire.IsZero() && !now.Before(w.retire):
		return spare{}
	case w.stale != "":
		return spare{quietLong, w.retire}
	case w.echo.broken():
		return spare{}
	}
	return spare{forever, w.retire}
}

// renew begins an attempt if there is a reason, and drops one for which there is none any more.
func (w *supervision) renew(ctx context.Context, now time.Time) {
	w.lookAtKeys(now)
	l, why := w.l, w.reason(now)
	switch {
	case why == "" && l.attempt != nil:
		l.dropAttempt()
		w.backoff.failures, w.earliest = 0, time.Time{}
		l.log.Info("a new connection is no longer needed")
	case why != "" && l.attempt == nil && !now.Before(w.earliest):
		level := slog.LevelInfo
		if why == w.why {
			level = slog.LevelDebug // once more
		}
		l.log.Log(ctx, level, "making a new connection beside the old one", "why", why)
		l.startAttempt(ctx)
	}
	if why != w.why {
		w.why = why
		l.m.update(func(time.Time) { l.rec.replacing = why })
	}
}

// lookAtKeys finds out whether its keys have been used for long enough.
func (w *supervision) lookAtKeys(now time.Time) {
	if w.stale = ""; now.Sub(w.up) >= keysLeast {
		w.stale = w.s.StaleKeys()
	}
}

// renewed takes over the result of an attempt: a new session joins, or the old one goes on and another attempt follows. Who
// asked for it is told, and asks again if he likes.
func (w *supervision) renewed(r attemptResult) Session {
	s, err := w.l.finish(r, w.why)
	if err == nil {
		return s
	}
	now := time.Now()
	wait, final := w.backoff.decide(Ended{Err: err, EverUp: true})
	if final != nil {
		wait = w.backoff.longest() // what a person has to mend may be mended meanwhile
	}
	asked := w.asked
	w.asked, w.earliest = false, now.Add(wait) // who asked after the attempt had begun with other options is heard next
	level := slog.LevelWarn
	if err.Error() == w.kept && !asked {
		level = slog.LevelDebug // once more
	}
	w.kept = err.Error()
	w.l.log.Log(context.Background(), level, "keeping the present connection: no new one could be made", "why", w.why, "err", err, "retry_in", Round(wait))
	return nil
}

// nextRenewal returns the time of the next reason; zero: none is known.
func (w *supervision) nextRenewal(now time.Time) time.Time {
	var at time.Time
	if w.why != "" && w.l.attempt == nil {
		at = w.earliest
	}
	if w.retire.After(now) {
		at = sooner(at, w.retire)
	}
	if left := w.replace.Sub(now); left > 0 { // by a clock that may be set meanwhile: it is looked at with each turn
		at = sooner(at, now.Add(left))
	}
	return at
}
