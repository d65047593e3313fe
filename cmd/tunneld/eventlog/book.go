// Package eventlog is what has happened to the tunnels of a process, in the order in which it happened: the process keeps a Book of
// it, and Read prints what it tells, and goes on with what comes.
package eventlog

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/monitor"
)

// mostEnded is how many of the tunnels that have ended are remembered.
const mostEnded = 50

// Book is what a process remembers of its tunnels: what has happened to each, and how those have ended that it has no more. A page
// belongs to a name: the tunnel that comes after one of its name goes on there. The zero value is an empty book. Its methods may be
// called from any goroutine.
type Book struct {
	mu    sync.Mutex    // guards all following fields, and those of each page
	pages []*page       // those that run in the order in which they began, the others in that in which they ended
	news  chan struct{} // closed when there may be something to tell; nil: nobody waits for it
	shut  bool          // nobody is told any more
}

type page struct {
	end    Ended
	runs   bool // a tunnel of that name is there, which may have failed
	events *monitor.Events
}

// Ended is a tunnel that a process has no more.
type Ended struct {
	Name string    `json:"name"`
	Time time.Time `json:"time"`
	Why  string    `json:"why,omitempty"` // empty: nobody knows
}

// String says when and why.
func (e Ended) String() string {
	text := fmt.Sprintf("stopped %s ago", view.Span(time.Since(e.Time)))
	if e.Why != "" {
		text += ", " + e.Why
	}
	return text
}

// Events is where the log of the next tunnel of that name is remembered.
func (b *Book) Events(name string) *monitor.Events {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.find(name); p != nil {
		return p.events
	}
	events := new(monitor.Events)
	events.OnAdd(b.turn)
	return events
}

// Begin notes that a tunnel of that name is there, with what Events has returned for it.
func (b *Book) Begin(name string, events *monitor.Events) {
	defer b.turn()
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.find(name)
	if p == nil {
		p = &page{end: Ended{Name: name}}
	}
	if p.events = events; !p.runs {
		b.putLastLocked(p)
	}
	p.runs = true
}

// End notes that there is no tunnel of that name any more. Whoever follows it is told what has happened until now, and no more. why
// may be empty.
func (b *Book) End(name, why string) {
	defer b.turn()
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.find(name); p != nil {
		p.runs, p.end.Time, p.end.Why = false, time.Now(), why
		b.putLastLocked(p)
		b.trimLocked()
	}
}

// Shut has everybody who follows a tunnel told what has happened, and no more: the process ends.
func (b *Book) Shut() {
	b.mu.Lock()
	b.shut = true
	b.mu.Unlock()
	b.turn()
}

// Ended returns the tunnels that are there no more, of which the last ones are remembered.
func (b *Book) Ended() (list []Ended) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pages {
		if !p.runs {
			list = append(list, p.end)
		}
	}
	return list
}

// turn wakes those who wait for news.
func (b *Book) turn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.news != nil {
		close(b.news)
		b.news = nil
	}
}

// find returns the page of that name, or nil. b.mu is held.
func (b *Book) find(name string) *page {
	for _, p := range b.pages {
		if p.end.Name == name {
			return p
		}
	}
	return nil
}

func (b *Book) putLastLocked(p *page) {
	b.pages = append(slices.DeleteFunc(b.pages, func(other *page) bool { return other == p }), p)
}

// trimLocked forgets the tunnels that ended first. Whoever follows one has its page.
func (b *Book) trimLocked() {
	extra := -mostEnded
	for _, p := range b.pages {
		if !p.runs {
			extra++
		}
	}
	b.pages = slices.DeleteFunc(b.pages, func(p *page) bool {
		if p.runs || extra <= 0 {
			return false
		}
		extra--
		return true
	})
}
