package chaos

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"slices"
	"strings"
	"time"
)

// verdict is what the ledger says when it is held against the events.
type verdict struct {
	counts   map[string]int // by how it ended
	requests int
	streams  int
	broken   int      // streams that were reset, as they have to be
	away     int      // R: the server did not listen, because nobody asked it to at the time
	faults   []string // what may not happen
}

// report prints the table and fails the test for what may not happen.
func (r *chaos) report() {
	r.t.Helper()
	v := r.judge()
	outages, notice := r.outages()
	var back, backR []time.Duration
	for _, e := range r.events {
		if e.planned {
			continue
		}
		back = append(back, e.outage())
		backR = append(backR, e.back["R"].Sub(e.lifted))
	}
	var b strings.Builder
	row := func(what string, value any) { fmt.Fprintf(&b, "%-44s %v\n", what, value) }
	row("events", len(r.events))
	row("outages (connections lost)", outages)
	row("time to notice, p50 / p99", percentiles(notice))
	row("time to come back -L -D, p50 / p99", percentiles(back))
	row("time to come back -R, p50 / p99", percentiles(backR))
	row("slowest to come back", r.slowest())
	row("requests", v.requests)
	row("streams", v.streams)
	row("streams reset by an outage", v.broken)
	row("connections refused", v.counts[refused])
	row("connections that hung", v.counts[hung])
	row("streams broken without a reset", v.counts[truncated])
	row("streams with other bytes", v.counts[corrupted])
	row("connections broken though nothing happened", v.counts[wasCut])
	row("-R while the server was not listening", v.away)
	r.t.Logf("\n%s", b.String())
	for _, text := range v.faults[:min(len(v.faults), 20)] {
		r.t.Error(text)
	}
	if r.t.Failed() {
		r.t.Logf("events:\n%s", r.schedule())
	}
}

// slowest names the event after which clients of -L and -D waited longest.
func (r *chaos) slowest() string {
	var worst *event
	for _, e := range r.events {
		if !e.planned && (worst == nil || e.outage() > worst.outage()) {
			worst = e
		}
	}
	if worst == nil {
		return "-"
	}
	return fmt.Sprintf("%s, %v", worst.name, worst.outage().Round(time.Millisecond))
}

// outage is how long clients of -L and -D waited after the cause was gone.
func (e *event) outage() time.Duration { return later(e.back["L"], e.back["D"]).Sub(e.lifted) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// judge goes through all deeds.
func (r *chaos) judge() verdict {
	v := verdict{counts: make(map[string]int)}
	down := r.down()
	for _, d := range r.ledger.account() {
		if d.kind == "request" {
			v.requests++
		} else {
			v.streams++
		}
		if d.end == served {
			continue
		}
		during := r.excuse(d)
		switch {
		case d.end == corrupted || d.end == hung:
		case d.route == "R" && d.kind != "target of R" && (during != nil || r.handover(d)):
			v.away++ // the server's side: how its sockets end when it is killed is not ours to say
			continue
		case d.end == truncated || d.end == refused:
		case d.end == wasCut && during != nil && (d.kind == "target of R" || !inside(down, d)): // nobody holds what the server has let in
			v.broken++
			continue
		case d.end == wasCut && during != nil:
			d.end = refused // it came and went while there was no connection: it should have been held
		}
		v.counts[d.end]++
		v.faults = append(v.faults, fmt.Sprintf("%s %s, begun %s, %s at %s: %v%s", d.route, d.kind,
			d.begun.Format("05.000"), d.end, d.done.Format("05.000"), d.err, r.heard(d.done)))
	}
	return v
}

// heard returns what tunneld said of its connections around a moment.
func (r *chaos) heard(at time.Time) string {
	var b strings.Builder
	for _, l := range r.child.Matching(func(l lab.Line) bool { return l.Field("level") != "DEBUG" && l.At.Sub(at).Abs() < 2*time.Second }) {
		fmt.Fprintf(&b, "\n    %s  %s", l.At.Format("05.000"), l.Text)
	}
	return b.String()
}

// excuse returns the event that may have broken d, or nil. What was asked for breaks nothing. What began before all was well
// again may break later: a connection that does not answer is given up a while after another has taken its place.
func (r *chaos) excuse(d deed) *event {
	for i, e := range r.events {
		over := later(later(e.back["L"], e.back["D"]), e.back["R"])
		if r.slots > 1 || over.IsZero() { // one of several connections may be noticed to be dead when the others serve already
			over = later(over, e.lifted).Add((chaosInterval*chaosCount + 2) * time.Second)
		}
		if !e.planned && !d.done.Before(e.begun) && !d.begun.After(over) {
			return r.events[i]
		}
	}
	return nil
}

// handover reports whether the remote port may have been on its way from one connection to the next: because of an event, or
// because the keys of the old one had been used for long enough.
func (r *chaos) handover(d deed) bool {
	return slices.ContainsFunc(r.child.Matching(lab.Said("replaced")), func(l lab.Line) bool {
		return !d.done.Before(l.At.Add(-time.Second)) && !d.begun.After(l.At.Add(chaosHandover))
	}) || slices.ContainsFunc(r.events, func(e *event) bool {
		return e.planned && !d.done.Before(e.begun) && !d.begun.After(e.back["R"].Add(time.Second))
	})
}

// chaosHandover is how long the remote port may take to follow a connection to the one that has replaced it.
const chaosHandover = 3 * time.Second

// span is a stretch of time.
type span struct{ from, to time.Time }

// down returns when there was no connection at all, by tunneld's log. Only one connection at a time is followed.
func (r *chaos) down() []span {
	var spans []span
	if r.slots > 1 {
		return nil
	}
	var from time.Time
	for _, l := range r.child.Matching(func(l lab.Line) bool { return lab.IsUp(l) || lab.IsLost(l) && l.Field("state") != "" }) {
		if lab.IsUp(l) && !from.IsZero() {
			spans = append(spans, span{from, l.At})
			from = time.Time{}
		} else if lab.IsLost(l) {
			from = l.At
		}
	}
	return spans
}

// inside reports whether d began and ended in one of the spans.
func inside(spans []span, d deed) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return d.begun.After(s.from) && d.done.Before(s.to) })
}

// outages counts lost connections, and returns how long the first of each event took to be noticed.
func (r *chaos) outages() (count int, notice []time.Duration) {
	lost := r.child.Matching(lab.IsLost)
	for i, e := range r.events {
		until := time.Now()
		if i+1 < len(r.events) {
			until = r.events[i+1].begun
		}
		if j := slices.IndexFunc(lost, func(l lab.Line) bool { return l.At.After(e.begun) && l.At.Before(until) }); j >= 0 {
			notice = append(notice, lost[j].At.Sub(e.begun))
		}
	}
	return len(lost), notice
}

// percentiles prints the median and what one in a hundred is longer than.
func percentiles(all []time.Duration) string {
	if len(all) == 0 {
		return "-"
	}
	slices.Sort(all)
	at := func(part float64) time.Duration {
		return all[min(len(all)-1, int(part*float64(len(all))))].Round(time.Millisecond)
	}
	return fmt.Sprintf("%v / %v", at(0.5), at(0.99))
}

// schedule lists what happened.
func (r *chaos) schedule() string {
	var b strings.Builder
	for _, e := range r.events {
		fmt.Fprintf(&b, "%s  %-40s lifted %s, back", e.begun.Format("05.000"), e.name, e.lifted.Format("05.000"))
		for _, way := range r.ledger.routes {
			fmt.Fprintf(&b, " %s %s", way.Name, e.back[way.Name].Format("05.000"))
		}
		b.WriteString("\n")
	}
	return b.String()
}
