// Package idle closes channels over which nothing has gone for too long: ChannelTimeout of ssh_config(5).
//
// One timer looks at all channels now and then. A channel that carries bytes pays for a look at one flag.
package idle

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/sshpattern"
)

// Watch closes what has been idle for too long. The zero value has no rules; nil watches nothing. It is safe for concurrent use, and
// runs a timer only while there is a rule and a channel.
type Watch struct {
	mu       sync.Mutex // guards all following fields
	rules    []config.ChannelTimeout
	channels map[*Channel]struct{}
	used     time.Time // when one of them was last found in use, or came
	timer    *time.Timer
	least    time.Duration // of the rules; 0: none closes anything
}

// Channel is what a Watch knows of an open channel. The zero value is watched by nobody.
type Channel struct {
	busy    atomic.Bool // bytes have gone over it since the last look
	watch   *Watch      // set by Join
	kind    string      // as ChannelTimeout names it
	expire  func()      // called once, when it has been idle for too long
	used    time.Time   // when it was last found in use, or came; guarded by Watch.mu, as what follows
	allowed time.Duration
}

// Follow replaces the rules, also for the channels that are open: where they are others than before, their time begins anew.
func (w *Watch) Follow(rules []config.ChannelTimeout) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.Equal(rules, w.rules) {
		return
	}
	now := time.Now()
	w.rules, w.used, w.least = rules, now, 0
	for _, r := range rules {
		if r.Time > 0 && (w.least == 0 || r.Time < w.least) {
			w.least = r.Time
		}
	}
	for c := range w.channels {
		c.used, c.allowed = now, w.allowedLocked(c.kind)
	}
	w.stopLocked()
	w.wakeLocked()
}

// Join has c watched from now until Leave. expire is called at most once, from a goroutine of the timer; it must not block.
func (w *Watch) Join(c *Channel, kind string, expire func()) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	c.watch, c.kind, c.expire, c.used, c.allowed = w, kind, expire, now, w.allowedLocked(kind)
	if w.channels == nil {
		w.channels = make(map[*Channel]struct{})
	}
	w.channels[c], w.used = struct{}{}, now
	w.wakeLocked()
}

// Use notes that bytes go over the channel.
func (c *Channel) Use() {
	if !c.busy.Load() {
		c.busy.Store(true)
	}
}

// Leave ends the watch over c. It may be called more than once, and by expire.
func (c *Channel) Leave() {
	w := c.watch
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.channels, c)
	if len(w.channels) == 0 {
		w.stopLocked()
	}
}

// Global is the rule for all channels together (ssh_config(5)): what goes over one of them is use of all. No pattern matches it.
const Global = "global"

// allowedLocked returns how long a channel of this kind may be idle; 0: for ever. The first rule that fits holds, as in ssh.
func (w *Watch) allowedLocked(kind string) time.Duration {
	for _, r := range w.rules {
		if r.Type != Global && sshpattern.MatchPattern(kind, r.Type) {
			return r.Time
		}
	}
	return 0
}

// globalLocked returns how long all may be idle together; 0: for ever. The last rule holds, as in ssh.
func (w *Watch) globalLocked() (all time.Duration) {
	for _, r := range w.rules {
		if r.Type == Global {
			all = r.Time
		}
	}
	return all
}

// The time between two looks is a part of the shortest limit: a channel is closed that much late at most, and never early.
const (
	part  = 8
	often = 100 * time.Millisecond // at the most
	rare  = 30 * time.Second       // at the least
)

// wakeLocked sees to it that the next look comes, where one is needed.
func (w *Watch) wakeLocked() {
	if w.timer == nil && w.least > 0 && len(w.channels) > 0 {
		w.timer = time.AfterFunc(min(max(w.least/part, often), rare), w.look)
	}
}

func (w *Watch) stopLocked() {
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}

// look closes what has been idle for too long.
func (w *Watch) look() {
	for _, expire := range w.expired() {
		expire()
	}
}

// expired takes the channels out that have been idle for too long, and returns how they are told.
func (w *Watch) expired() (tell []func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for c := range w.channels {
		if c.busy.Swap(false) {
			c.used, w.used = now, now
		}
	}
	all := w.globalLocked()
	together := all > 0 && now.Sub(w.used) >= all
	for c := range w.channels {
		if together || c.allowed > 0 && now.Sub(c.used) >= c.allowed {
			delete(w.channels, c)
			tell = append(tell, c.expire)
		}
	}
	w.timer = nil
	w.wakeLocked()
	return tell
}
