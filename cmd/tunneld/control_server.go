package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/eventlog"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// controlReport is the answer to GET /status on the control socket: a monitor.Report and whose it is.
type controlReport struct {
	PID   int              `json:"pid"`
	Ended []eventlog.Ended `json:"ended,omitempty"` // what it ran before
	monitor.Report
}

// controlAnswer is the answer to a POST: what became of each tunnel that was named.
type controlAnswer struct {
	Results []controlResult `json:"results"`
}

type controlResult struct {
	Tunnel  string          `json:"tunnel"`
	Did     string          `json:"did,omitempty"`     // where it is something else than what was asked for
	Changed string          `json:"changed,omitempty"` // by a reload, and how the tunnel is
	Took    monitor.Seconds `json:"took_seconds"`      // 0: nothing was done
	Error   string          `json:"error,omitempty"`   // empty: it was done
	Hint    string          `json:"hint,omitempty"`

	// of forwards
	Forward string   `json:"forward,omitempty"`   // as it was asked for
	Port    int      `json:"port,omitempty"`      // that the server chose
	Bound   []string `json:"bound,omitempty"`     // where it listens
	Code    int      `json:"exit_code,omitempty"` // that goes with Error; 0: 1
}

// handler serves the control socket:
//
//	GET  /status                    controlReport
//	GET  /log?tunnel=NAME&after=N   an eventlog.Line for each tunnel: the last events, those after the N-th; with &follow, more
//	                                lines as things happen
//	POST /reconnect?tunnel=NAME     a new connection, then the old one is retired; answered when that has happened
//	POST /down?tunnel=NAME          as SIGTERM, for this tunnel; answered when it has stopped
//	POST /reload?tunnel=NAME        as SIGHUP, for the whole process; answered when a new connection that it takes has been
//	                                tried, with what became of those tunnels, and of all others that have changed or failed
//	POST /connect?tunnel=NAME&host=HOST&port=PORT (or &path=PATH)  101, and from then on the bytes of the connection, the first
//	                                of which from the client is thrown away
//	POST /forward?tunnel=NAME       a list of order.Forward, which is added; answered when the forwards listen, or cannot
//	POST /cancel?tunnel=NAME        a list of order.Forward, which is taken away
//	GET  /metrics /livez /readyz /  as --listen serves them
//
// tunnel may stand there several times; without it, all are meant.
func (p *process) handler(reload func() ([]outcome, error)) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", monitor.Handler(versionText(), p.monitors))
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, controlReport{PID: os.Getpid(), Ended: p.book.Ended(), Report: monitor.NewReport(versionText(), p.monitors())})
	})
	mux.Handle("GET /log", p.book)
	mux.HandleFunc("POST /reconnect", p.control(func(ctx context.Context, r *runner) error {
		if r.hasEnded() {
			return hasFailed(r.name)
		}
		return r.monitor.Reconnect(ctx)
	}))
	mux.HandleFunc("POST /down", p.control(func(ctx context.Context, r *runner) error { return p.putDown(ctx, r, bySomebody) }))
	mux.HandleFunc("POST /reload", p.steerReload(reload))
	mux.HandleFunc("POST /connect", p.serveConnect)
	mux.HandleFunc("POST /forward", p.steerForwards(addForward))
	mux.HandleFunc("POST /cancel", p.steerForwards(cancelForward))
	return mux
}

// control does the same to each tunnel that the request names, all at once.
func (p *process) control(do func(context.Context, *runner) error) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		meant, err := p.named(req.URL.Query()["tunnel"])
		if err != nil {
			answerJSON(w, http.StatusNotFound, controlAnswer{[]controlResult{{Error: err.Error()}}})
			return
		}
		answer := controlAnswer{make([]controlResult, len(meant))}
		var all sync.WaitGroup
		for i, r := range meant {
			all.Go(func() { answer.Results[i] = resultOf(req.Context(), r, do) })
		}
		all.Wait()
		answer.send(w)
	}
}

// send returns 409 where something has failed.
func (a controlAnswer) send(w http.ResponseWriter) {
	status := http.StatusOK
	if slices.ContainsFunc(a.Results, func(r controlResult) bool { return r.Error != "" }) {
		status = http.StatusConflict
	}
	answerJSON(w, status, a)
}

func resultOf(ctx context.Context, r *runner, do func(context.Context, *runner) error) controlResult {
	began := time.Now()
	err := do(ctx, r)
	return newResult(r.name, began, err)
}

func newResult(name string, began time.Time, err error) controlResult {
	result := controlResult{Tunnel: name, Took: monitor.Seconds(time.Since(began))}
	if err != nil {
		result.Error, result.Hint = strings.TrimPrefix(err.Error(), name+": "), exit.HintOf(err)
	}
	return result
}

// named returns the tunnels of these names; without names, all.
func (p *process) named(names []string) ([]*runner, error) {
	all := p.all()
	if len(names) == 0 {
		return all, nil
	}
	var meant []*runner
	for _, name := range names {
		r := find(all, name)
		if r == nil {
			return nil, fmt.Errorf("no tunnel %s in this process", name)
		}
		meant = append(meant, r)
	}
	return meant, nil
}

// oneNamed returns the tunnel of that name.
func (p *process) oneNamed(names []string) (*runner, error) {
	if len(names) != 1 {
		return nil, errors.New("want one tunnel")
	}
	meant, err := p.named(names)
	if err != nil {
		return nil, err
	}
	if r := meant[0]; !r.hasEnded() {
		return r, nil
	}
	return nil, hasFailed(names[0])
}

// hasFailed is what can be done with a tunnel that has failed for good.
func hasFailed(name string) error {
	return &exit.Error{Code: exit.GaveUp, Err: errors.New("it has failed"),
		Hint: fmt.Sprintf("`tunneld status %s` says why, `tunneld reload %[1]s` tries it again", fault.ShellQuote(name))}
}

func answerJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.Encode(answer)
}
