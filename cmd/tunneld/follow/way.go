// Package follow keeps the way to a server what the configuration says it is, wherever the machine is and whoever edits a file.
// autossh runs ssh anew for each connection, and ssh reads everything anew: Match exec, Match localnetwork, canonical names, edits.
// So before each attempt a Way is resolved again, and once more where the network changes while an attempt runs. What differs in
// how the server is reached, checked and logged in to counts from the next connection; forwards wait for a reload. A configuration
// that cannot be used changes nothing: the last good one stays, and one warning says why.
package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/difference"
	"github.com/tunneld/tunneld/config"
)

const (
	glance   = 50 * time.Millisecond  // how long it is good how a file looked, for whoever asks next
	moment   = 250 * time.Millisecond // how long it is good what a command or a network said
	patience = 12 * time.Second       // how long an attempt waits for the configuration, more than a command of Match exec may take
)

// Resolve reads the configuration of one tunnel.
type Resolve func(context.Context, config.Environment) (*config.Options, error)

// Way is how the server of one tunnel is reached. Its methods may be called from any goroutine.
type Way struct {
	source *Source
	log    *slog.Logger
	take   func(*config.Options)
	turn   chan struct{}  // of one element, in it while somebody resolves
	stuck  <-chan reading // what is read still, though nobody waits for it any more; nil: nothing is; whoever has the turn uses it

	mu      sync.Mutex      // guards all following fields
	resolve Resolve         // nil: what there is stays
	reload  uint64          // how often Adopt was called
	base    *config.Options // of the start, or of the last reload
	good    *config.Options // the last that can be used
	taken   *config.Options // by take
	proven  *config.Options // that a connection was made by; nil: none was yet
	moved   chan struct{}   // closed and renewed when good is another way
	found   findings        // when good was confirmed, and by what
	ended   bool            // see End
	kept    error           // why good is not what the configuration says; nil: it is
	since   time.Time       // when kept was first found
}

// New returns the Way of a tunnel that has been made with o. take has connections that are made from then on live by other
// options; it must not block.
func (s *Source) New(resolve Resolve, o *config.Options, log *slog.Logger, take func(*config.Options)) *Way {
	w := &Way{source: s, resolve: resolve, log: log, take: take, turn: make(chan struct{}, 1), moved: make(chan struct{})}
	w.base, w.good, w.taken, w.found = o, o, o, s.examine(o.Inputs())
	return w
}

// Adopt is for a reload, which has read the configuration itself: o is the way from now on. adopted is called meanwhile, when no
// other options are taken; it must not block.
func (w *Way) Adopt(resolve Resolve, o *config.Options, adopted func()) {
	found := w.source.examine(o.Inputs())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settleLocked(nil)
	w.reload++
	w.resolve = resolve
	w.base, w.good, w.taken, w.found = o, o, o, found
	adopted()
}

// End is called when the tunnel has ended: others may suffer from what it has suffered from, and are heard then.
func (w *Way) End() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept != nil && !w.ended {
		w.source.forget(w.log, w.kept, false)
	}
	w.ended, w.resolve = true, nil
	w.reload++ // what is being read now changes nothing
}

// Kept says why the tunnel does not live by what the configuration says, and since when; empty: it does.
func (w *Way) Kept() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept == nil {
		return ""
	}
	return fmt.Sprintf("that of before is kept since %s: %v", w.since.Format(time.TimeOnly), w.kept)
}

// Look finds out where the way leads now. It returns that, or what was good last, and what is closed when it leads elsewhere.
func (w *Way) Look(ctx context.Context) (*config.Options, <-chan struct{}) {
	select {
	case w.turn <- struct{}{}:
		w.renew(ctx)
		<-w.turn
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.good, w.moved
}

// renew resolves anew unless nothing can have changed.
func (w *Way) renew(ctx context.Context) {
	w.mu.Lock()
	resolve, reload, before, found := w.resolve, w.reload, w.good, w.found
	w.mu.Unlock()
	if resolve == nil || w.readsStill() {
		return
	}
	limited, cancel := context.WithTimeoutCause(ctx, patience, errLate)
	defer cancel()
	r, still := unheld(limited, func() reading { return w.source.read(limited, resolve, before, found) })
	w.stuck = still
	if ctx.Err() != nil {
		return
	}
	o, now, err := r.options, r.found, r.err
	if limited.Err() != nil {
		err = errLate
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reload != reload {
		return
	}
	if r.holds && err == nil { // also when it could not be read for a while
		w.settleLocked(nil)
		return
	}
	if lookup, passes := errors.AsType[*config.LookupError](err); passes { // the attempt would fail for that, too
		w.log.Debug("name not resolved, going by the last one", "name", lookup.Name, "err", err)
		return
	}
	if w.settleLocked(err); err == nil {
		w.found = now
		w.goLocked(o)
	}
}

var errLate = fmt.Errorf("reading it took longer than %v", patience)

// reading is what the configuration says now.
type reading struct {
	options *config.Options
	found   findings
	holds   bool // nothing can have changed: the rest is empty
	err     error
}

// read reads the configuration anew, unless what was found is so still.
func (s *Source) read(ctx context.Context, resolve Resolve, before *config.Options, found findings) reading {
	if s.holds(found) {
		return reading{holds: true}
	}
	now := s.examine(found.inputs) // before it is read: what is written meanwhile is seen next time
	o, err := s.resolve(ctx, resolve)
	if err == nil {
		err = missing(before, o, now.vanished(found))
	}
	if err == nil {
		now = s.extend(now, o.Inputs())
	}
	return reading{options: o, found: now, err: err}
}

// readsStill reports whether a read that nobody waits for has not ended yet: another one would not end, either.
func (w *Way) readsStill() bool {
	if w.stuck == nil {
		return false
	}
	select {
	case <-w.stuck:
		w.stuck = nil
		return false
	default:
		return true
	}
}

// missing returns what o cannot be trusted for: a file that could be read, or was there, when the last good one was made.
// gone is one of the latter.
func missing(before, o *config.Options, gone string) error {
	if len(before.Unread) == 0 && len(o.Unread) > 0 {
		return o.Unread[0]
	}
	if gone != "" && before.Matched && !o.Matched {
		return &config.Error{Source: config.Source{File: gone}, Text: "it is not there any more", Hint: "`tunneld reload` does without it"}
	}
	return nil
}

// apart are the keywords that have no say in how a server is reached, besides those of forwards.
var apart = []string{
	"ChannelTimeout", "ClearAllForwardings", "ControlMaster", "ControlPath", "ControlPersist", "EscapeChar", "ExitOnForwardFailure", "ForwardAgent", "GatewayPorts", "LogLevel",
	"PermitRemoteOpen", "RemoteCommand", "RequestTTY", "SendEnv", "SessionType", "SetEnv", "StdinNull", "StreamLocalBindMask", "StreamLocalBindUnlink",
	"TunneldBackoffMax", "TunneldConnections", "TunneldDrain", "TunneldEcho", "TunneldEchoInterval", "TunneldHold", "TunneldLazy", "TunneldMaxLifetime", "TunneldPortFile",
	"WarnWeakCrypto",
}

// goLocked makes o the good one, where that is another way.
func (w *Way) goLocked(o *config.Options) {
	before := w.good
	if before.SameConnection(o) && before.OnUp == o.OnUp && before.OnDown == o.OnDown {
		return
	}
	w.good = o
	if before.SameConnection(o) {
		return
	}
	after := *o
	after.Forwards = before.Forwards
	w.log.Info("the configuration leads another way, from the next connection on", "changed", difference.Between(before, &after, apart...))
	close(w.moved)
	w.moved = make(chan struct{})
}

// settleLocked notes why the configuration cannot be used; nil: it can.
func (w *Way) settleLocked(err error) {
	if w.ended || err != nil && w.kept != nil && err.Error() == w.kept.Error() {
		return
	}
	before := w.kept
	w.kept, w.since = err, time.Now()
	if err != nil {
		w.source.complain(w.log, err)
	}
	if before != nil {
		w.source.forget(w.log, before, err == nil)
	}
}
