package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/follow"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/monitor/netmon"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// monitors returns what is to be shown.
func (p *process) monitors() []*monitor.Monitor {
	var list []*monitor.Monitor
	for _, r := range p.all() {
		list = append(list, r.monitor)
	}
	return list
}

// failures returns why tunnels have failed, with their names.
func (p *process) failures() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []error
	for _, r := range p.runners {
		if r.err != nil {
			list = append(list, fmt.Errorf("%s: %w", r.name, r.err))
		}
	}
	return errors.Join(list...)
}

// summary says in one line how the tunnels are; the troubled ones by name.
func (p *process) summary() string {
	var fine int
	var troubled []string
	all := p.all()
	for _, r := range all {
		s := r.monitor.Status()
		if len(all) == 1 {
			return s.Troubles()
		}
		if len(s.Unready()) == 0 {
			fine++
			continue
		}
		troubled = append(troubled, s.Name+" "+s.Troubles())
	}
	return strings.Join(append([]string{fmt.Sprintf("%d of %d tunnels up", fine, len(all))}, troubled...), "; ")
}

// statusEvery is how often the service manager is told how many clients are held, where that has changed.
const statusEvery = 2 * time.Second

// statusLine tells the service manager how the tunnels are, as far as that is news.
func (p *process) statusLine() {
	if p.service.Listens() {
		p.service.Status(p.summary())
	}
}

// heartbeat returns the time since which every tunnel's loop has turned.
func (p *process) heartbeat() time.Time {
	oldest := time.Now()
	for _, r := range p.live() {
		if t := r.monitor.Heartbeat(); t.Before(oldest) {
			oldest = t
		}
	}
	return oldest
}

// watch watches for sleep and network changes, and for the end of the control socket's directory, until running ends.
func (p *process) watch(running context.Context) {
	if socket := p.endpoints.socket; socket != nil {
		p.tasks.Go(func() { socket.Keep(running, p.log, func() { p.departure.traceAgain(p) }) })
	}
	p.tasks.Go(func() { netmon.Watch(running, p.log, p) })
	p.tasks.Go(func() {
		p.ways.Watch(running, func() (all []*follow.Way) {
			for _, r := range p.live() {
				all = append(all, r.way)
			}
			return all
		})
	})
}

// Nudge passes on to every tunnel that the network has changed.
func (p *process) Nudge(reason string) {
	p.ways.Changed()
	for _, r := range p.live() {
		r.tunnel.LookAgain()
		r.monitor.Nudge(reason)
	}
}

// Resumed passes on to every tunnel that the machine has slept.
func (p *process) Resumed(slept time.Duration) {
	p.ways.Changed()
	for _, r := range p.live() {
		r.tunnel.LookAgain()
		r.monitor.Resumed(slept)
	}
}

// drainOf returns how many connections a tunnel has that may go on when it is stopped, and for how long. Those that wait for a
// session are not among them.
func drainOf(s monitor.Status) (open int64, most time.Duration) {
	if !s.State.Carries() || s.Drain <= 0 {
		return 0, 0
	}
	return max(0, s.Open-s.Held), time.Duration(s.Drain)
}

// sayDraining says why the end takes a moment, if it does.
func (p *process) sayDraining() {
	var open int64
	var most time.Duration
	for _, m := range p.monitors() {
		n, drain := drainOf(m.Status())
		open += n
		if n > 0 {
			most = max(most, drain)
		}
	}
	if open > 0 {
		p.log.Info(waitingFor(open, most) + "; Ctrl-C again ends at once")
	}
}

func waitingFor(open int64, most time.Duration) string {
	return fmt.Sprintf("waiting up to %s for %s", most, fault.Count(uint64(open), "connection"))
}
