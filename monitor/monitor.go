package monitor

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/monitor/beat"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// ErrGaveUp is for Config.Decide to wrap where a limit that somebody set has been reached: exit code 1.
var ErrGaveUp = errors.New("gave up")

// A slot looks so often at least, whatever else is to be done: most of what it looks for comes with bytes. One that carries next to
// nothing looks less often.
const (
	turnEvery  = 2 * time.Second
	quietTurn  = 8 * time.Second
	quietBytes = 4 << 10 // in a turn, both ways: a few probes
)

// Config is what a Monitor is made of.
type Config struct {
	Name    string          // of the tunnel: in logs, status and metrics
	Options *config.Options // see Adopt
	Log     *slog.Logger    // gets each transition; the attribute tunnel is added

	// Decide returns the wait before a slot's next attempt, or the error that ends the slot and, with the last one, Run. It is
	// the place for limits: none are set where it is nil, and the waits are those of TunneldBackoffMax. Each slot calls it
	// from a goroutine of its own.
	Decide func(Ended) (time.Duration, error)

	// Events remembers what the tunnel's log says: Log has to write through its Handler. nil: the status shows no events.
	Events *Events

	// Master returns what the status shows of the ControlPath. It must not block; nil where there is none.
	Master func() *Master

	// Kept returns why the configuration is not the one that the files hold now; empty: it is. It must not block; nil: nobody knows.
	Kept func() string

	// Wheel, of NewWheel, measures all tunnels of a process in one goroutine. nil: this one has its own.
	Wheel *beat.Wheel

	// OnChange is called after each change of what Status says about states, from the slot that changed. It must not block;
	// it may call Status. nil: nobody is told.
	OnChange func()
}

// Monitor keeps one tunnel up. Its methods may be called from any goroutine, before, during and after Run.
type Monitor struct {
	cfg     Config
	opts    atomic.Pointer[config.Options]
	version atomic.Uint64 // of opts: how often they were replaced
	log     *slog.Logger
	tunnel  Tunnel
	slots   []*slot
	demand  *demand
	annexes annexes
	further atomic.Pointer[[]*slot] // of annexes; replaced under mu
	first   chan struct{}           // closed when the first session of all is up
	hurried chan struct{}           // closed by Cut
	cutting sync.Once               // closes hurried
	wg      sync.WaitGroup          // attempts, probes and retiring sessions; waited for by Run

	mu         sync.Mutex // guards all following fields, and the record of each slot
	state      State
	since      time.Time
	began      time.Time
	everUp     bool
	downAt     time.Time    // when the outage began that goes on; zero: none does
	tries      int          // that failed in this outage
	cause      foreign.Text // of this outage
	lost       bool         // this outage began by the end of a session
	lastOutage *Outage
	failure    *Failure
	retiring   []*retiring
	counts     counters
	rates      rates
	history    history
	echoSaid   bool // that the data path cannot be probed
}

// New returns a Monitor that keeps t up. Nothing happens before Run.
func New(cfg Config, t Tunnel) *Monitor {
	now := time.Now()
	m := &Monitor{
		cfg:     cfg,
		log:     cfg.Log.With("tunnel", cfg.Name),
		tunnel:  t,
		demand:  newDemand(lazy(cfg.Options) == 0),
		first:   make(chan struct{}),
		hurried: make(chan struct{}),
		annexes: annexes{made: make(chan Session), over: make(chan struct{})},
		state:   Idle,
		since:   now,
		counts:  newCounters(),
	}
	m.further.Store(new([]*slot))
	m.opts.Store(cfg.Options)
	for i := range max(1, cfg.Options.Connections) {
		m.slots = append(m.slots, newSlot(m, i+1, now))
	}
	return m
}

// Run keeps the tunnel up until ctx ends or nothing is left to try, shuts the tunnel down (open connections may go on for
// TunneldDrain) and waits for all that it started. It returns nil where ctx ended, else the error that only a person can
// mend or that Config.Decide chose. It can be called once.
func (m *Monitor) Run(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	m.begin(time.Now())
	if idle := lazy(m.cfg.Options); idle > 0 {
		m.wg.Go(func() { m.watchIdle(ctx, idle) })
	}
	var running atomic.Int64
	running.Store(int64(len(m.slots)))
	done := make(chan struct{})
	for _, l := range m.slots {
		m.wg.Go(func() {
			l.run(ctx, end)
			if running.Add(-1) == 0 {
				close(done)
			}
		})
	}
	m.sample(ctx, done)
	m.shutdown(ctx)
	m.wg.Wait()
	m.finalCounts()
	var gone *gone
	if errors.As(context.Cause(ctx), &gone) {
		return gone.err
	}
	return nil
}

// Adopt replaces the options. Sessions that are made from now on follow them; Reconnect makes such a session at once. TunneldConnections and TunneldLazy stay what they were.
func (m *Monitor) Adopt(o *config.Options) {
	m.opts.Store(o)
	m.version.Add(1)
	m.annexes.hurry()
}

// Follow has sessions that are made from now on lead the way of o; all else stays as it is (config.Options.Through). It is not called
// together with Adopt.
func (m *Monitor) Follow(o *config.Options) { m.opts.Store(m.options().Through(o)) }

// Options returns what sessions that are made now live by.
func (m *Monitor) Options() *config.Options { return m.options() }

func (m *Monitor) options() *config.Options { return m.opts.Load() }

// gone is the cause with which the last slot ends the others.
type gone struct{ err error }

func (g *gone) Error() string { return g.err.Error() }

// shutdown lets the tunnel drain. ctx has ended already; it lends its values only.
func (m *Monitor) shutdown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.options().Drain)
	defer cancel()
	m.wg.Go(func() {
		select {
		case <-m.hurried:
			cancel()
		case <-ctx.Done():
		}
	})
	if m.tunnel.Shutdown(ctx) == nil {
		return
	}
	why := "TunneldDrain is over"
	if errors.Is(ctx.Err(), context.Canceled) {
		why = "asked to end at once"
	}
	m.log.Warn("open connections were cut", "why", why)
}

// Cut takes what is left of TunneldDrain from open connections, those of retired sessions as well, which are reset, now or when
// ctx of Run ends. It does not block.
func (m *Monitor) Cut() { m.cutting.Do(func() { close(m.hurried) }) }

// finalCounts adds the last counts of the sessions that Shutdown has closed. Nothing flows any more.
func (m *Monitor) finalCounts() {
	m.mu.Lock()
	m.rates = rates{}
	m.mu.Unlock()
	for l := range m.everySlot {
		s := l.rec.session // nobody writes it any more
		if s == nil {
			continue
		}
		s.Close()
		m.mu.Lock()
		m.partLocked(l, s, time.Now())
		m.mu.Unlock()
	}
}

// State returns what Status says of it.
func (m *Monitor) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// Heartbeat returns the time since which every slot has gone through its loop at least once: what a watchdog feeds on. It is at
// most ten seconds old while all is well, whatever the network does, and now after Run.
func (m *Monitor) Heartbeat() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldest := time.Now()
	for _, l := range m.slots {
		if t := l.rec.heartbeat; !l.rec.ended && t.Before(oldest) {
			oldest = t
		}
	}
	return oldest
}

// begin starts the clocks of Run.
func (m *Monitor) begin(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.began, m.since = now, now
	for _, l := range m.slots {
		l.rec.since, l.rec.heartbeat = now, now
	}
	if m.demand.isOpen() {
		m.downAt = now
	}
}

// update changes the record under the lock, draws the conclusions for the tunnel, and tells whoever wants to know.
func (m *Monitor) update(change func(now time.Time)) {
	m.mu.Lock()
	now := time.Now()
	change(now)
	m.settleLocked(now)
	m.mu.Unlock()
	if m.cfg.OnChange != nil {
		m.cfg.OnChange()
	}
}

// settleLocked makes the tunnel's state that of its best slot, and accounts for outages.
func (m *Monitor) settleLocked(now time.Time) {
	best := m.slots[0].rec.state
	for _, l := range m.slots[1:] {
		if l.rec.state.rank() > best.rank() {
			best = l.rec.state
		}
	}
	if best == m.state {
		return
	}
	before := m.state
	m.state, m.since = best, now
	down := best == Connecting || best == Waiting
	switch {
	case down && m.downAt.IsZero():
		m.outageLocked(now, before.Carries())
	case !down && !m.downAt.IsZero():
		m.recoveredLocked(best, now)
	}
	if best.Carries() && !m.everUp {
		m.everUp = true
		close(m.first)
	}
}

// abandoned reports whether no slot holds or seeks a session.
func (m *Monitor) abandoned() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.slots {
		if l.rec.state.lives() {
			return false
		}
	}
	return true
}

// wasUp reports whether the tunnel has ever been up.
func (m *Monitor) wasUp() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.everUp
}

// failLocked remembers the last error that a person may want to read.
func (m *Monitor) failLocked(err error, now time.Time) {
	m.failure = &Failure{
		Time:  now,
		Phase: fault.PhaseOf(err),
		Text:  foreign.Line(err.Error()),
		Hint:  fault.HintOf(err),
	}
}
