package main

import (
	"context"
	"slices"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
)

// start runs a tunnel in a goroutine of its own, in place of one of the same name that has failed or drains. One that was
// asked to stop is forgotten when it has; one that fails is kept.
func (p *process) start(running context.Context, r *runner) {
	running, r.end = context.WithCancel(running)
	r.carrier = p.carrierOf(running, r)
	r.sharing = newSharing(r.carrier, r.log)
	if why, ok := p.enlist(r); !ok {
		r.stop(why) // it ends at once
	}
	go func() {
		defer r.end()
		stopSharing := p.share(running, r)
		err := r.monitor.Run(running)
		r.end() // where it has failed
		r.way.End()
		stopSharing()
		r.updown.End()
		p.noteEnd(r, err)
		p.renameTrace()
		close(r.done)
		if err != nil && len(p.live()) > 0 { // what ends the process is said in the end
			p.log.With("tunnel", r.name).Error("failed for good, the other tunnels go on", exit.Complaint(err)...)
		}
		notify(p.changed)
		notify(p.ended)
	}()
}

// enlist adds a tunnel. It is false where the process is about to end, and where somebody has put the tunnel down while a reload was
// about to begin it; why is what it has to end for.
func (p *process) enlist(r *runner) (why string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, isDown := p.down[r.name]; isDown {
		why = bySomebody
	}
	p.book.Begin(r.name, r.events)
	i := slices.IndexFunc(p.runners, func(other *runner) bool { return other.name == r.name })
	if i < 0 {
		p.runners = append(p.runners, r)
		return why, why == "" && !p.over
	}
	if before := p.runners[i]; !before.hasEnded() {
		p.parting = append(p.parting, before)
	}
	p.runners[i] = r
	return why, why == "" && !p.over
}

// noteEnd notes how a tunnel has ended.
func (p *process) noteEnd(r *runner, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	why := p.why
	if asked := r.asked.Load(); asked != nil {
		why = *asked
	}
	r.noteEnd(err, why)
	if r.err = err; err == nil {
		p.delistLocked(r, why)
	}
}

func (p *process) delistLocked(r *runner, why string) {
	same := func(other *runner) bool { return other == r }
	p.runners, p.parting = slices.DeleteFunc(p.runners, same), slices.DeleteFunc(p.parting, same)
	if find(p.runners, r.name) == nil && find(p.parting, r.name) == nil {
		p.book.End(r.name, why)
	}
}

// isOver reports whether every tunnel has ended, and sees to it that none begins any more.
func (p *process) isOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	running := func(r *runner) bool { return !r.hasEnded() }
	p.over = p.over || !slices.ContainsFunc(p.runners, running) && !slices.ContainsFunc(p.parting, running)
	return p.over
}

// all returns the tunnels that run and those that have failed, in the order in which they began.
func (p *process) all() []*runner {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.runners)
}

// live returns the tunnels that have not ended.
func (p *process) live() []*runner {
	return slices.DeleteFunc(p.all(), (*runner).hasEnded)
}

// reconnect replaces every connection, the new one first.
func (p *process) reconnect(ctx context.Context) {
	for _, r := range p.live() {
		p.tasks.Go(func() { r.reconnect(ctx) })
	}
}

// forget stops a tunnel, or takes one that has failed from the list.
func (p *process) forget(r *runner, why string) {
	r.stop(why)
	if !r.hasEnded() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delistLocked(r, why)
}

// putDown stops a tunnel because somebody asked for that, or the one that a reload has just begun in its place: no reload starts it
// again. It waits until it has stopped.
func (p *process) putDown(ctx context.Context, r *runner, why string) error {
	p.mu.Lock()
	p.down[r.name] = false
	if now := find(p.runners, r.name); now != nil {
		r = now
	}
	p.mu.Unlock()
	defer p.forget(r, why)
	return r.down(ctx, why)
}
