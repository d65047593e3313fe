package eventlog

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tunneld/tunneld/monitor"
)

// Line is a line of the answer to GET /log: what has happened to a tunnel since the last such line.
type Line struct {
	Name   string          `json:"name"`
	Last   uint64          `json:"last"` // number of its last event
	Events []monitor.Event `json:"events"`
	Over   bool            `json:"over,omitempty"` // no line of it follows: it has ended, or nobody wants to follow it
}

// writeTime is how long whoever follows may take to read what there is: one that does not is let go, and may ask again. Nothing is
// kept for them but what the book remembers.
const writeTime = 10 * time.Second

// reader is how far somebody has read on a page.
type reader struct {
	page *page
	last uint64 // event
	told bool   // at least once
}

// ServeHTTP answers GET /log?tunnel=NAME&after=N with a Line for each tunnel of these names, which has the events after the N-th; names
// and numbers may stand there several times. Without names all that run are meant. With &follow, lines follow as things happen,
// until all of these tunnels have ended.
func (b *Book) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	query := req.URL.Query()
	readers, ok := b.readers(query)
	if !ok {
		http.Error(w, "no such tunnel", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	b.tell(req.Context(), w, readers, query.Has("follow"))
}

// readers returns those that a request speaks of; false: one of them is unknown.
func (b *Book) readers(query url.Values) ([]*reader, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := query["tunnel"]
	if len(names) == 0 {
		for _, p := range b.pages {
			if p.runs {
				names = append(names, p.end.Name)
			}
		}
	}
	var readers []*reader
	for i, name := range names {
		p := b.find(name)
		if p == nil {
			return nil, false
		}
		r := &reader{page: p}
		if i < len(query["after"]) {
			r.last, _ = strconv.ParseUint(query["after"][i], 10, 64) // without one: all
		}
		if _, last := p.events.After(r.last); last < r.last { // a process that has begun since counts anew
			r.last = 0
		}
		readers = append(readers, r)
	}
	return readers, true
}

// tell writes what the readers have not read yet.
func (b *Book) tell(ctx context.Context, w http.ResponseWriter, readers []*reader, follow bool) {
	out, control := json.NewEncoder(w), http.NewResponseController(w)
	var failed error
	for {
		more := b.more()
		readers = slices.DeleteFunc(readers, func(r *reader) bool {
			line := b.look(r, follow)
			if line == nil || failed != nil {
				return false
			}
			control.SetWriteDeadline(time.Now().Add(writeTime))
			failed = out.Encode(line)
			return line.Over
		})
		if failed != nil || control.Flush() != nil || len(readers) == 0 {
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
			return
		}
	}
}

// more returns a channel that is closed when there may be more to tell than now.
func (b *Book) more() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.news == nil {
		b.news = make(chan struct{})
	}
	return b.news
}

// look returns what a reader has not read yet; nil: there is nothing.
func (b *Book) look(r *reader, follow bool) *Line {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := &Line{Name: r.page.end.Name, Over: !follow || !r.page.runs || b.shut}
	line.Events, line.Last = r.page.events.After(r.last)
	if r.told && len(line.Events) == 0 && !line.Over {
		return nil
	}
	r.told, r.last = true, line.Last
	return line
}
