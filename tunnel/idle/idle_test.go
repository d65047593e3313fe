package idle

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
)

// watched is a channel in a test, and when it was closed.
type watched struct {
	Channel
	mu     sync.Mutex
	closed time.Duration // since the test began; 0: it is open
}

func (c *watched) join(w *Watch, kind string, began time.Time) {
	w.Join(&c.Channel, kind, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.closed = time.Since(began)
		c.Leave()
	})
}

// lasted reports how long the channel was open; 0: it still is.
func (c *watched) lasted() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func TestIdleChannelsAreClosed(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []config.ChannelTimeout
		kind  string
		uses  time.Duration // between two; 0: none
		want  time.Duration // after which it is closed; 0: never
	}{
		{"no rule", nil, "direct-tcpip", 0, 0},
		{"its rule", []config.ChannelTimeout{{Type: "direct-tcpip", Time: time.Minute}}, "direct-tcpip", 0, time.Minute},
		{"another's rule", []config.ChannelTimeout{{Type: "session", Time: time.Minute}}, "direct-tcpip", 0, 0},
		{"a pattern", []config.ChannelTimeout{{Type: "direct-*", Time: time.Minute}}, "direct-streamlocal@openssh.com", 0, time.Minute},
		{"the first that fits", []config.ChannelTimeout{{Type: "*", Time: time.Hour}, {Type: "direct-tcpip", Time: time.Minute}}, "direct-tcpip", 0, time.Hour},
		{"switched off before", []config.ChannelTimeout{{Type: "direct-tcpip"}, {Type: "*", Time: time.Minute}}, "direct-tcpip", 0, 0},
		{"in use", []config.ChannelTimeout{{Type: "*", Time: time.Minute}}, "direct-tcpip", 50 * time.Second, 0},
		{"used too seldom", []config.ChannelTimeout{{Type: "*", Time: time.Minute}}, "direct-tcpip", 100 * time.Second, time.Minute},
		{"global", []config.ChannelTimeout{{Type: "global", Time: time.Minute}}, "session", 0, time.Minute},
		{"no pattern means global", []config.ChannelTimeout{{Type: "global", Time: time.Minute}}, "global", 50 * time.Second, 0},
		{"a second", []config.ChannelTimeout{{Type: "*", Time: time.Second}}, "session", 0, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w Watch
				w.Follow(c.rules)
				one, began := &watched{}, time.Now()
				one.join(&w, c.kind, began)
				for c.uses > 0 && time.Since(began) < 2*time.Hour {
					time.Sleep(c.uses)
					one.Use()
				}
				time.Sleep(min(2*time.Hour, 2*c.want))
				one.Leave()
				synctest.Wait()
				switch at := one.lasted(); {
				case c.uses > 0 && c.want == 0 && at > 0 && at < 2*time.Hour, c.uses == 0 && c.want == 0 && at > 0:
					t.Errorf("closed after %v", at)
				case c.want > 0 && (at < c.want || at > c.want+c.want/4+often):
					t.Errorf("closed after %v, want %v and not much more", at, c.want)
				}
			})
		})
	}
}

// Under a global rule one channel in use keeps all open.
func TestOneInUseKeepsAllOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Watch
		w.Follow([]config.ChannelTimeout{{Type: Global, Time: time.Minute}})
		began, quiet, busy := time.Now(), &watched{}, &watched{}
		quiet.join(&w, "direct-tcpip", began)
		busy.join(&w, "session", began)
		for time.Since(began) < 10*time.Minute {
			time.Sleep(30 * time.Second)
			busy.Use()
		}
		if quiet.lasted() > 0 || busy.lasted() > 0 {
			t.Fatalf("closed after %v and %v", quiet.lasted(), busy.lasted())
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if quiet.lasted() == 0 || quiet.lasted() != busy.lasted() {
			t.Errorf("closed after %v and %v, want both at once", quiet.lasted(), busy.lasted())
		}
	})
}

// looks reports whether a timer runs.
func (w *Watch) looks() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.timer != nil
}

// New rules hold for what is open, and without rules or channels no timer runs.
func TestRulesChangeAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Watch
		one, began := &watched{}, time.Now()
		one.join(&w, "direct-tcpip", began)
		time.Sleep(time.Hour)
		w.Follow([]config.ChannelTimeout{{Type: "*", Time: time.Minute}})
		time.Sleep(30 * time.Second)
		w.Follow(nil)
		if w.looks() {
			t.Error("a timer runs without rules")
		}
		time.Sleep(time.Hour)
		w.Follow([]config.ChannelTimeout{{Type: "*", Time: time.Minute}})
		one.Leave()
		one.Leave()
		if w.looks() {
			t.Error("a timer runs without channels")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if at := one.lasted(); at > 0 {
			t.Errorf("closed after %v, having left", at)
		}
	})
}

// Nobody watches a channel that has joined nothing, and a nil Watch takes none.
func TestNobodyWatches(t *testing.T) {
	var c Channel
	c.Use()
	c.Leave()
	(*Watch)(nil).Join(&c, "session", func() { t.Error("called") })
	c.Leave()
}

func BenchmarkUse(b *testing.B) {
	var c Channel
	for b.Loop() {
		c.Use()
	}
}
