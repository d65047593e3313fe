package tunnel

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/interactive"
	"github.com/tunneld/tunneld/tunnel/limit"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// crowdedPeer is a server with one connection, which allows so many sessions at a time. They end when their client closes them.
func crowdedPeer(t *testing.T, most int32) *Session {
	t.Helper()
	p := newPeer(t)
	var open atomic.Int32
	p.OnOpen = func(c ssh.NewChannel) {
		if open.Add(1) > most {
			open.Add(-1)
			c.Reject(ssh.ConnectionFailed, "open failed")
			return
		}
		ch, requests, err := c.Accept()
		if err != nil {
			return
		}
		ssh.DiscardRequests(requests)
		ch.Close()
		open.Add(-1)
	}
	s := p.session(config.Echo{})
	t.Cleanup(func() { s.Close() })
	return s
}

// crowd is a tunnel to a server that allows so many sessions on a connection, and how its logins went.
type crowd struct {
	*Tunnel
	t *testing.T

	mu       sync.Mutex
	logins   int
	atOnce   int // now
	mostOnce int
}

func newCrowd(t *testing.T, most int32, login func(context.Context) error) *crowd {
	return newCrowdOf(t, 8, most, login)
}

// newCrowdOf is newCrowd with so many connections that can be made.
func newCrowdOf(t *testing.T, spares int, most int32, login func(context.Context) error) *crowd {
	c := &crowd{Tunnel: newTestTunnel(t, &config.Options{Hold: 10 * time.Second}), t: t}
	spare := make(chan *Session, spares) // made here: nothing else may fail a test
	for range spares {
		spare <- crowdedPeer(t, most)
	}
	c.OnCrowded(func(ctx context.Context) (*Session, error) {
		way := c.wayNow() // as Connect does
		c.mu.Lock()
		c.logins++
		c.atOnce++
		c.mostOnce = max(c.mostOnce, c.atOnce)
		c.mu.Unlock()
		defer func() {
			c.mu.Lock()
			c.atOnce--
			c.mu.Unlock()
		}()
		if err := login(ctx); err != nil {
			return nil, err
		}
		s := <-spare
		s.way = way
		return s, nil
	})
	c.Join(crowdedPeer(t, most))
	return c
}

// waiting returns how many sessions wait for a login.
func (c *crowd) waiting() int {
	c.annexes.mu.Lock()
	defer c.annexes.mu.Unlock()
	return c.annexes.waiting
}

// openAll opens sessions at once and returns those that are open.
func (c *crowd) openAll(count int) (list []interactive.Channel, failures []error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for range count {
		all.Go(func() {
			ch, err := c.OpenFor(c.t.Context(), sessionKind, nil)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures = append(failures, err)
				return
			}
			list = append(list, ch)
		})
	}
	all.Wait()
	return list, failures
}

func closeChannels(list []interactive.Channel) {
	for _, ch := range list {
		ch.Close()
	}
}

// Fifty sessions at once need four more connections, and wait for one login, not for fifty.
func TestManySessionsWaitForTheSameLogins(t *testing.T) {
	begun := make(chan struct{}, maxAnnexes)
	goOn := make(chan struct{})
	c := newCrowd(t, 10, func(context.Context) error {
		begun <- struct{}{}
		<-goOn
		return nil
	})
	go func() {
		for range 3 { // none of which has ended
			<-begun
		}
		close(goOn)
	}()
	list, failures := c.openAll(50)
	defer closeChannels(list)
	if len(failures) > 0 {
		t.Fatalf("%d sessions are refused: %v", len(failures), failures[0])
	}
	if c.logins < 4 || c.logins > 6 || c.mostOnce > maxMaking {
		t.Errorf("%d logins, %d at once", c.logins, c.mostOnce)
	}
	if r := c.Riders(); r.Open != 50 || r.Total != 50 {
		t.Errorf("%+v", r)
	}
}

// There are so many connections at most, whatever is asked for. Who finds no room is told what the server says, at once, and
// gets the first that is given back.
func TestFurtherConnectionsAreBounded(t *testing.T) {
	c := newCrowdOf(t, maxAnnexes+1, 1, func(context.Context) error { return nil })
	list, failures := c.openAll(1 + maxAnnexes)
	defer func() { closeChannels(list) }()
	if len(failures) > 0 {
		t.Fatalf("%d sessions are refused: %v", len(failures), failures[0])
	}
	if _, failures = c.openAll(5); len(failures) != 5 || c.logins != maxAnnexes || c.mostOnce > maxMaking {
		t.Errorf("%d of five are refused after %d logins, %d at once", len(failures), c.logins, c.mostOnce)
	}
	for _, err := range failures {
		if !isRefusal(err) {
			t.Errorf("a client is told %v", err)
		}
	}
	list[7].Close()
	sshtest.Eventually(t, "there is room again", func() bool {
		again, _ := c.openAll(1)
		list = append(list, again...)
		return len(again) == 1
	})
	if c.logins != maxAnnexes {
		t.Errorf("%d logins", c.logins)
	}
}

// A login that fails is the answer to all who wait for it.
func TestFailedLoginIsTheAnswerToAll(t *testing.T) {
	var c *crowd
	c = newCrowd(t, 10, func(ctx context.Context) error {
		for c.waiting() < 40 && ctx.Err() == nil { // as a login that takes its time
			<-time.After(time.Millisecond)
		}
		return errors.New("Permission denied")
	})
	list, failures := c.openAll(50)
	defer closeChannels(list)
	if len(list) != 10 || len(failures) != 40 {
		t.Fatalf("%d open, %d are refused", len(list), len(failures))
	}
	for _, err := range failures {
		if !isRefusal(err) {
			t.Errorf("a client is told %v", err)
		}
	}
	if c.logins > maxMaking {
		t.Errorf("%d logins", c.logins)
	}
}

// A failed login is also the answer to a session that has waited since before its end and had not come to joining it. What comes
// later begins another.
func TestFailedLoginIsTheAnswerToWhoHadNotJoined(t *testing.T) {
	c := newCrowd(t, 1, func(context.Context) error { return errors.New("Permission denied") })
	list, _ := c.openAll(1)
	defer closeChannels(list)
	early := c.annexes.queue()
	defer c.annexes.unqueue()
	for logins := 1; logins <= 2; logins++ {
		if _, failures := c.openAll(1); len(failures) != 1 || c.logins != logins {
			t.Errorf("%v after %d logins", failures, c.logins)
		}
		if _, _, err := c.makeAnnexes(t.Context(), early, nil, c.annexes.overNow()); err == nil || err.Error() != "Permission denied" || c.logins != logins {
			t.Errorf("who had not joined is told %v after %d logins", err, c.logins)
		}
	}
}

// Where the connections end while a session waits for another, it is held as any client is.
func TestOutageBeginsWhileASessionWaitsForALogin(t *testing.T) {
	var c *crowd
	var crowded *Session
	c = newCrowd(t, 1, func(context.Context) error {
		crowded.Close()
		c.Leave(crowded)
		return errors.New("connection refused")
	})
	crowded = c.pool.sessions()[0]
	list, _ := c.openAll(1)
	defer closeChannels(list)
	opened := make(chan error, 1)
	go func() {
		more, failures := c.openAll(1)
		defer closeChannels(more)
		opened <- errors.Join(failures...)
	}()
	sshtest.Eventually(t, "it is held", func() bool { return len(opened) > 0 || c.Riders().Held == 1 })
	c.Join(crowdedPeer(t, 1))
	if err := <-opened; err != nil {
		t.Errorf("after the outage: %v", err)
	}
}

// A login goes on for those who still wait, and ends with the last of them.
func TestLoginEndsWithWhoWaits(t *testing.T) {
	c := newCrowd(t, 1, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	underWay := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.atOnce
	}
	list, _ := c.openAll(1)
	defer closeChannels(list)
	first, leave := context.WithCancel(t.Context())
	second, leaveToo := context.WithCancel(t.Context())
	defer leaveToo()
	var all sync.WaitGroup
	for _, ctx := range []context.Context{first, second} {
		all.Go(func() {
			if _, err := c.OpenFor(ctx, sessionKind, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("who leaves is told %v", err)
			}
		})
	}
	sshtest.Eventually(t, "both wait", func() bool { return c.waiting() == 2 })
	leave()
	sshtest.Eventually(t, "one waits", func() bool { return c.waiting() == 1 })
	<-time.After(20 * time.Millisecond)
	if underWay() == 0 {
		t.Error("the logins end with the first who leaves")
	}
	leaveToo()
	all.Wait()
	sshtest.Eventually(t, "no login is under way", func() bool { return underWay() == 0 })
}

// A connection for sessions that has to go takes no more of them, and one that breaks costs those on it alone.
func TestFurtherConnectionIsLeft(t *testing.T) {
	c := newCrowd(t, 2, func(context.Context) error { return nil })
	list, _ := c.openAll(2)
	more, _ := c.openAll(2)
	if len(more) != 2 || c.logins != 1 {
		t.Fatalf("%d open, %d logins", len(more), c.logins)
	}
	annex := c.annexes.sessions()[0]
	more[0].Close()
	sshtest.Eventually(t, "room", func() bool { return annex.Commands() == 1 })
	retired := retiring(t, c.Tunnel, annex)
	elsewhere, failures := c.openAll(1)
	if c.logins != 2 || len(failures) > 0 {
		t.Errorf("%d logins, %v", c.logins, failures)
	}
	notEnded(t, retired)
	more[1].Close()
	endedWell(t, retired)
	c.annexes.sessions()[0].Close()
	select {
	case <-elsewhere[0].Lost():
	case <-time.After(10 * time.Second):
		t.Error("a session outlives its connection")
	}
	if list[0].Err() != nil {
		t.Error("a session on another connection is lost")
	}
	closeChannels(append(list, elsewhere...))
}

func TestSessionGoesToTheLeastLoadedConnection(t *testing.T) {
	tun := newTestTunnel(t, &config.Options{Hold: 10 * time.Second})
	sessions := []*Session{crowdedPeer(t, 10), crowdedPeer(t, 3)}
	for _, s := range sessions {
		tun.Join(s)
	}
	counts := func(want ...int) {
		t.Helper()
		for i, s := range sessions {
			if s.Commands() != want[i] {
				t.Errorf("connection %d has %d sessions, want %d", i, s.Commands(), want[i])
			}
		}
	}
	var list []interactive.Channel
	open := func() {
		t.Helper()
		ch, err := tun.OpenFor(t.Context(), sessionKind, nil)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, ch)
	}
	for range 6 {
		open()
	}
	counts(3, 3)
	for range 4 { // the second is full: what it refuses goes to the first
		open()
	}
	counts(7, 3)
	closeChannels(list)
}

func takeAll(s *limit.Share) (n int) {
	for s.Take() {
		n++
	}
	return n
}

func TestRidersTakeTheirPartOfTheLimits(t *testing.T) {
	tun := New(&config.Options{}, nil, quiet())
	limits := &Limits{connections: limit.NewShares(10), inbound: limit.NewShares(1)}
	tun.Share(limits)
	forward := limits.connections.Join(0)
	release, ok := tun.Admit(4)
	if !ok {
		t.Fatal("no room for the first")
	}
	if n := takeAll(forward); n != 6 {
		t.Errorf("a forward gets %d beside a rider", n)
	}
	if _, ok := tun.Admit(2); ok {
		t.Error("more than there are")
	}
	release()
	if n := takeAll(forward); n != 4 {
		t.Errorf("%d places when the rider has left", n)
	}
	if _, ok := tun.Admit(1); ok {
		t.Error("one more than there are")
	}
}

// What is too long for a server to take as it is meant does not get to it, and the connection goes on.
func TestOverlongRequests(t *testing.T) {
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Hold: 10 * time.Second})
	s := p.session(config.Echo{})
	tun.Join(s)
	before, same := uint64(0), 0 // of the login, whose last bytes are counted behind the call that sends them
	sshtest.Eventually(t, "the login is counted", func() bool {
		_, now := s.Counts()
		if same++; now != before {
			before, same = now, 0
		}
		return same == 5
	})
	for _, size := range []int{maxOpenText, 256 << 10, 1 << 20} {
		if _, err := tun.OpenFor(t.Context(), "direct-tcpip", make([]byte, size)); !isRefusal(err) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, after := s.Counts(); after != before {
		t.Error("something was sent")
	}
}

func TestOverlongCommand(t *testing.T) {
	got := make(chan int, 2)
	p := shellPeer(t, func(command string, ch ssh.Channel) {
		got <- len(command)
		exit(ch, 0)
	})
	tun := newTestTunnel(t, &config.Options{Hold: 10 * time.Second})
	s := p.session(config.Echo{})
	tun.Join(s)
	run := func(size int) error {
		open := func(ctx context.Context) (interactive.Channel, error) { return tun.OpenFor(ctx, sessionKind, nil) }
		_, err := interactive.Run(t.Context(), open, interactive.Request{Command: string(make([]byte, size))}, interactive.Files{})
		return err
	}
	if err := run(200_000); err != nil || <-got != 200_000 {
		t.Errorf("a long command: %v", err)
	}
	var refused *interactive.RefusedError
	for _, size := range []int{256<<10 - 64, 256 << 10, 1 << 20} {
		if err := run(size); !errors.As(err, &refused) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := s.Keepalive(t.Context()); err != nil {
		t.Errorf("the connection does not go on: %v", err)
	}
}
