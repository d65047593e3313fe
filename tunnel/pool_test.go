package tunnel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/limit"
)

// More than clients can be kept waiting for is refused, and told once in an outage.
func TestRefusalsDuringAnOutageAreToldOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		full bool
		want error
	}{
		{"too many wait", true, errTooManyHeld},
		{"too long", false, errHeldTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			tun := New(&config.Options{Hold: 20 * time.Millisecond}, nil, slog.New(slog.NewTextHandler(&log, nil)))
			if c.full {
				tun.pool.places = limit.NewQuota(0)
			}
			for range 3 {
				if _, err := tun.hold(t.Context(), caller{number: tun.pool.arrive(), count: new(counter)}); !errors.Is(err, c.want) {
					t.Errorf("hold gives %v, want %v", err, c.want)
				}
			}
			if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), c.want.Error()) {
				t.Errorf("log:\n%s", log.String())
			}
		})
	}
}

// A place says that its channel was asked for, or that it will not be, so that the next in the queue has its turn.
func TestPlaceSaysWhenItHasAsked(t *testing.T) {
	p := newPeer(t)
	answer := make(chan struct{})
	p.OnOpen = func(c ssh.NewChannel) {
		<-answer
		c.Reject(ssh.ConnectionFailed, "late")
	}
	s := p.session(config.Echo{})
	defer s.Close()

	asks := s.place()
	asked := asks.whenAsked()
	opened := make(chan error, 1)
	go func() {
		_, err := asks.open(t.Context(), "x", "direct-tcpip", nil)
		opened <- err
	}()
	for name, told := range map[string]<-chan struct{}{"asked": asked, "left": func() <-chan struct{} {
		leaves := s.place()
		defer leaves.leave()
		return leaves.whenAsked()
	}()} {
		select {
		case <-told:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: nothing was said", name)
		}
	}
	select {
	case err := <-opened:
		t.Errorf("answered too early: %v", err)
	default:
	}
	close(answer)
	if err := <-opened; err == nil {
		t.Error("the channel was opened")
	}
}

// New connections go to a session that nobody doubts, however many it has, and to one that is in doubt where there is no other.
func TestSessionInDoubtIsTheLastToBeTaken(t *testing.T) {
	peer := newPeer(t)
	var p pool
	sessions := make([]*Session, 3)
	for i := range sessions {
		sessions[i] = peer.session(config.Echo{})
		defer sessions[i].Close()
		p.join(sessions[i])
		for range i {
			sessions[i].place()
		}
	}
	expect := func(want int) {
		t.Helper()
		p.mu.Lock()
		defer p.mu.Unlock()
		if got := p.leastLoadedLocked(); got != sessions[want] {
			t.Errorf("the one with %d channels is taken, want %d", got.Open(), want)
		}
	}
	expect(0)
	for i, next := range []int{1, 2, 0} {
		sessions[i].Doubt(true)
		expect(next)
	}
	sessions[2].Doubt(false)
	expect(2)
	sessions[1].Doubt(false)
	expect(1)
}

// New connections do not go to a session where a transfer is under way, while another has none.
func TestSessionWithATransferIsTakenLate(t *testing.T) {
	peer := newPeer(t)
	peer.OnOpen = func(c ssh.NewChannel) {
		if ch, requests, err := c.Accept(); err == nil {
			go ssh.DiscardRequests(requests)
			go io.Copy(io.Discard, ch)
		}
	}
	var p pool
	busy, quiet := peer.session(config.Echo{}), peer.session(config.Echo{})
	for _, s := range []*Session{busy, quiet} {
		defer s.Close()
		p.join(s)
	}
	quiet.place()
	expect := func(want *Session) {
		t.Helper()
		p.mu.Lock()
		defer p.mu.Unlock()
		if got := p.leastLoadedLocked(); got != want {
			t.Errorf("the one that is busy is taken: %v", got == busy)
		}
	}
	expect(busy)
	ch, err := busy.open(t.Context(), "far", "direct-tcpip", nil)
	if err != nil {
		t.Fatal(err)
	}
	quiet.place()
	expect(busy) // as many as it may be: it has one, and the other two
	if _, err := ch.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	expect(busy) // in one go
	for range 4 {
		ch.Write(make([]byte, 32<<10))
	}
	expect(quiet)
	ch.Close()
	expect(busy)
}

// Of those that are held, it is told when the first one came.
func TestOldestHeldClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pool
		var waiting sync.WaitGroup
		began := time.Now()
		ctx, end := context.WithCancel(t.Context())
		for i, forward := range []string{"a", "b", "b"} {
			<-time.After(time.Duration(i) * time.Second)
			waiting.Go(func() {
				p.hold(ctx, caller{number: p.arrive(), forward: forward, count: new(counter)}, time.Minute, func() {})
			})
			synctest.Wait()
		}
		if got := p.heldSince("b").Sub(began); got != time.Second {
			t.Errorf("the first came after %v, want 1s", got)
		}
		if got := p.heldSince("c"); !got.IsZero() {
			t.Errorf("somebody has come to c at %v", got)
		}
		end()
		waiting.Wait()
		if got := p.heldSince("b"); !got.IsZero() {
			t.Errorf("somebody waits since %v after the end", got)
		}
	})
}
