package follow

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/hook"
)

// atOnce is how many tunnels of a process read their configuration side by side.
const atOnce = 8

// Source is where the ways of all tunnels of a process come from. After an outage hundreds of them ask at once: what they have in
// common is found out once in a moment, which is whether files have changed, and what a command of Match exec says.
type Source struct {
	environment func() (config.Environment, error)
	seats       chan struct{} // of atOnce
	again       chan struct{} // of one: the network has changed

	mu     sync.Mutex // guards all following fields
	epoch  uint64     // how often the network has changed
	execs  *hook.Shared[int]
	causes map[string]int // why configurations cannot be used, and of how many tunnels

	looking sync.Mutex       // guards all following fields; held while files are looked at, which may take for ever: only a read takes it
	looked  time.Time        // when stamps was begun
	then    uint64           // epoch as of looked
	stamps  map[string]stamp // how files look at a glance
	self    string           // see identity; as of then
}

// NewSource returns a Source that finds out by environment whom the process runs as, and where.
func NewSource(environment func() (config.Environment, error)) *Source {
	return &Source{
		environment: environment,
		seats:       make(chan struct{}, atOnce),
		again:       make(chan struct{}, 1),
		execs:       hook.NewShared[int](moment),
		causes:      make(map[string]int),
	}
}

// Changed says that the network has changed, or that the machine has slept: what was found out before may not be so any more.
func (s *Source) Changed() {
	s.mu.Lock()
	s.epoch++
	s.execs = hook.NewShared[int](moment)
	s.mu.Unlock()
	select {
	case s.again <- struct{}{}:
	default:
	}
}

// Watch looks after each change of the network where all ways lead, so that an attempt that has begun before does not go on in vain,
// until ctx is done.
func (s *Source) Watch(ctx context.Context, all func() []*Way) {
	for {
		select {
		case <-s.again:
			var looks sync.WaitGroup
			for _, w := range all() {
				looks.Go(func() { w.Look(ctx) })
			}
			looks.Wait()
		case <-ctx.Done():
			return
		}
	}
}

// resolve calls one Resolve, a few at a time.
func (s *Source) resolve(ctx context.Context, resolve Resolve) (*config.Options, error) {
	select {
	case s.seats <- struct{}{}:
		defer func() { <-s.seats }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	environment, err := s.environment()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	environment.Exec = s.execs.Do
	s.mu.Unlock()
	return resolve(ctx, environment)
}

// complain warns of a cause, of which all tunnels that share it suffer together: once.
func (s *Source) complain(log *slog.Logger, cause error) {
	s.mu.Lock()
	s.causes[cause.Error()]++
	first := s.causes[cause.Error()] == 1
	s.mu.Unlock()
	level := slog.LevelDebug
	if first {
		level = slog.LevelWarn
	}
	attrs := []any{"err", cause}
	if hint := fault.HintOf(cause); hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	log.Log(context.Background(), level, "the configuration cannot be used, connecting by the last good one", attrs...)
}

// forget notes that a tunnel does not suffer from a cause any more; good: nor from any other.
func (s *Source) forget(log *slog.Logger, cause error, good bool) {
	s.mu.Lock()
	s.causes[cause.Error()]--
	last := s.causes[cause.Error()] == 0
	if last {
		delete(s.causes, cause.Error())
	}
	s.mu.Unlock()
	if last && good {
		log.Info("the configuration can be used again")
	}
}
