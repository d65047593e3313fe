package monitor

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// fakeTunnel makes fakeSessions by the rules of a test.
type fakeTunnel struct {
	mu       sync.Mutex // guards all following fields
	connect  connector
	began    time.Time
	attempts []time.Duration // when, since began
	live     []*fakeSession
	further  []*fakeSession // made for sessions alone
	retired  []*fakeSession
	forwards []tunnel.ForwardStatus
	looks    int // at them
	riders   tunnel.Carried
	shut     bool
	wanted   chan struct{}
}

// connector makes a session or an error. attempt counts from 1. nil always makes a session.
type connector func(ctx context.Context, attempt int) (*fakeSession, error)

// rule changes what attempts make from now on.
func (f *fakeTunnel) rule(connect connector) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.connect = connect
}

// refuse makes every attempt fail with err.
func refuse(err error) connector {
	return func(context.Context, int) (*fakeSession, error) { return nil, err }
}

func (f *fakeTunnel) Connect(ctx context.Context) (Session, error) {
	f.mu.Lock()
	f.attempts = append(f.attempts, time.Since(f.began))
	n, connect := len(f.attempts), f.connect
	f.mu.Unlock()
	if connect == nil {
		return newFakeSession(n), nil
	}
	s, err := connect(ctx, n)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (f *fakeTunnel) Annex(ctx context.Context) (Session, error) { return f.Connect(ctx) }

func (f *fakeTunnel) Join(s Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = append(f.live, s.(*fakeSession))
}

func (f *fakeTunnel) Leave(s Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = slices.DeleteFunc(f.live, func(other *fakeSession) bool { return other == s })
}

func (f *fakeTunnel) Retire(ctx context.Context, s Session) error {
	f.Leave(s)
	f.mu.Lock()
	f.retired = append(f.retired, s.(*fakeSession))
	f.mu.Unlock()
	if s.Open() > 0 {
		select {
		case <-ctx.Done():
		case <-s.Done():
		}
	}
	s.Close()
	return ctx.Err()
}

func (f *fakeTunnel) Shutdown(ctx context.Context) error {
	f.mu.Lock()
	live := slices.Concat(f.live, f.further)
	f.shut = true
	f.mu.Unlock()
	for _, s := range live {
		s.Close()
	}
	return nil
}

func (f *fakeTunnel) Forwards() []tunnel.ForwardStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	return slices.Clone(f.forwards)
}

func (f *fakeTunnel) looked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.looks
}

func (f *fakeTunnel) Riders() tunnel.Carried {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.riders
}

func (f *fakeTunnel) Wanted() <-chan struct{} { return f.wanted }

// session returns the newest session in service.
func (f *fakeTunnel) session(t *testing.T) *fakeSession {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.live) == 0 {
		t.Fatal("no session is in service")
	}
	return f.live[len(f.live)-1]
}

func (f *fakeTunnel) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.attempts)
}

// fakeSession answers probes after its round trip time, unless told otherwise.
type fakeSession struct {
	number int
	done   chan struct{}

	mu      sync.Mutex // guards all following fields
	err     error
	rtt     time.Duration
	ice     chan struct{} // while frozen nothing is answered before it is closed, whatever a call's ctx says; nil: not frozen
	badBeat error         // what Ask gives at once
	badEcho error         // what Echo returns; errHang: nothing comes back
	heard   time.Time
	open    int
	prompts int // Commands
	probes  []time.Time
	echoes  int
	expires time.Time
	in, out uint64
	carried uint64
	nap     time.Duration // for which Commands stops who calls it, once
	nowhere bool          // Homeless
	doubted bool          // Doubt
	stale   string        // StaleKeys
}

var errHang = errors.New("never comes back")

func newFakeSession(number int) *fakeSession {
	return &fakeSession{number: number, done: make(chan struct{}), rtt: 20 * time.Millisecond, heard: time.Now()}
}

func (s *fakeSession) set(change func(*fakeSession)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *fakeSession) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.probes)
}

func (s *fakeSession) echoed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.echoes
}

func (s *fakeSession) freeze() { s.set(func(s *fakeSession) { s.ice = make(chan struct{}) }) }

func (s *fakeSession) thaw() {
	s.set(func(s *fakeSession) {
		close(s.ice)
		s.ice, s.heard = nil, time.Now()
	})
}

func (s *fakeSession) Done() <-chan struct{} { return s.done }
func (s *fakeSession) Close() error          { s.CloseWith(errors.New("closed")); return nil }

func (s *fakeSession) CloseWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
		close(s.done)
	}
}

func (s *fakeSession) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *fakeSession) Ask(answered func(time.Duration, error)) {
	var bad error
	s.set(func(s *fakeSession) { s.probes, bad = append(s.probes, time.Now()), s.badBeat })
	go func() {
		if bad != nil {
			answered(0, bad)
			return
		}
		answered(s.answer(context.Background()))
	}()
}

func (s *fakeSession) Echo(ctx context.Context) (time.Duration, error) {
	s.mu.Lock()
	bad := s.badEcho
	s.echoes++
	s.mu.Unlock()
	if errors.Is(bad, errHang) {
		select {
		case <-s.done:
			return 0, s.Err()
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	if bad != nil {
		return 0, bad
	}
	return s.answer(ctx)
}

func (s *fakeSession) answer(ctx context.Context) (time.Duration, error) {
	s.mu.Lock()
	ice, rtt := s.ice, s.rtt
	s.mu.Unlock()
	if ice != nil {
		select {
		case <-ice:
		case <-s.done:
			return 0, s.Err()
		}
	}
	select {
	case <-time.After(rtt):
		s.set(func(s *fakeSession) { s.heard = time.Now() })
		return rtt, nil
	case <-s.done:
		return 0, s.Err()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (s *fakeSession) LastRead() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard
}

func (s *fakeSession) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

func (s *fakeSession) Commands() int {
	var nap time.Duration
	s.set(func(s *fakeSession) { nap, s.nap = s.nap, 0 })
	<-time.After(nap)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.prompts
}

func (s *fakeSession) Doubt(is bool) { s.set(func(s *fakeSession) { s.doubted = is }) }

func (s *fakeSession) inDoubt() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doubted
}

func (s *fakeSession) Homeless() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nowhere
}

func (s *fakeSession) StaleKeys() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stale
}

func (s *fakeSession) Carried() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.carried
}

func (s *fakeSession) Counts() (in, out uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in, s.out
}

func (s *fakeSession) Expires() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expires
}

func (s *fakeSession) Server() Server {
	return Server{User: "bob", Host: "db.example", Port: 22, Address: "192.0.2.1:22", Cipher: "aes128-gcm@openssh.com"}
}

// world is a monitor that runs over a fake tunnel, in a bubble of synctest.
type world struct {
	*Monitor
	t      *testing.T
	tunnel *fakeTunnel
	log    *logBook
	stop   context.CancelFunc
	ended  chan error
}

// options are the defaults of tunneld.
func options() *config.Options {
	return &config.Options{
		Alias: "db", HostName: "db.example", Port: 22, User: "bob",
		ServerAliveInterval: 15 * time.Second, ServerAliveCountMax: 3,
		EchoInterval: time.Minute, BackoffMax: time.Minute, Connections: 1, Drain: 10 * time.Second,
	}
}

// start runs a monitor until the test ends. That nothing of it is left then is checked by synctest.
func start(t *testing.T, o *config.Options, f *fakeTunnel, change ...func(*Config)) *world {
	t.Helper()
	w := newWorld(t, o, f, change...)
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	go func() { w.ended <- w.Run(ctx) }()
	t.Cleanup(stop)
	synctest.Wait()
	return w
}

func newWorld(t *testing.T, o *config.Options, f *fakeTunnel, change ...func(*Config)) *world {
	book := &logBook{}
	cfg := Config{Name: "db", Options: o, Log: slog.New(slog.NewTextHandler(book, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, c := range change {
		c(&cfg)
	}
	f.began, f.wanted = time.Now(), make(chan struct{}, 1)
	return &world{Monitor: New(cfg, f), t: t, tunnel: f, log: book, ended: make(chan error, 1)}
}

// pass lets so much time go by.
func (w *world) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// expect checks the tunnel's state.
func (w *world) expect(want State) {
	w.t.Helper()
	if s := w.Status(); s.State != want {
		w.t.Fatalf("%v after the start: state %s (%s), want %s\n%s", time.Since(w.tunnel.began), s.State, s.Why, want, w.log)
	}
}

// within checks that the state is reached within d, and returns after how long.
func (w *world) within(d time.Duration, want State) time.Duration {
	w.t.Helper()
	begun := time.Now()
	for w.Status().State != want {
		if time.Since(begun) > d {
			w.expect(want)
		}
		w.pass(max(time.Millisecond, d/500))
	}
	return time.Since(begun)
}

// finish stops the monitor and returns what Run returned.
func (w *world) finish() error {
	w.stop()
	return <-w.ended
}

// logBook keeps what is logged.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// lines returns the lines that contain all of the words.
func (b *logBook) lines(words ...string) []string {
	var found []string
	for line := range strings.Lines(b.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			found = append(found, line)
		}
	}
	return found
}

// Errors as the tunnel returns them.
func refusedDial() error {
	return &fault.Error{Phase: fault.PhaseDial, Where: "bob@db.example:22", Err: errors.New("connection refused")}
}

func refusedKey() error {
	return &fault.Error{Phase: fault.PhaseAuth, Permanent: true, Err: errors.New("refused publickey"), Hint: "ssh-add"}
}

func changedKey() error {
	return &fault.Error{Phase: fault.PhaseHostKey, Permanent: true, Err: errors.New("host key changed"), Hint: "ssh-keygen -R"}
}
