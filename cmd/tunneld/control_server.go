package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tunneld/tunneld/monitor"
)

// controlReport is the answer to GET /status on the control socket: a monitor.Report and whose it is.
type controlReport struct {
	PID int `json:"pid"`
	monitor.Report
}

// controlAnswer is the answer to a POST: what became of each tunnel that was named.
type controlAnswer struct {
	Results []controlResult `json:"results"`
}

type controlResult struct {
	Tunnel string          `json:"tunnel"`
	Took   monitor.Seconds `json:"took_seconds"`
	Error  string          `json:"error,omitempty"` // empty: it was done
	Hint   string          `json:"hint,omitempty"`
}

// handler serves the control socket:
//
//	GET  /status                    controlReport
//	POST /reconnect?tunnel=NAME     a new connection, then the old one is retired; answered when that has happened
//	POST /down?tunnel=NAME          as SIGTERM, for this tunnel; answered when it has stopped
//	POST /reload?tunnel=NAME        as SIGHUP, for the whole process
//	GET  /metrics /livez /readyz /  as --listen serves them
//
// tunnel may stand there several times; without it, all are meant.
func (p *process) handler(reload func() map[string]error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", monitor.Handler(p.monitors))
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, controlReport{PID: os.Getpid(), Report: monitor.NewReport(p.monitors())})
	})
	mux.HandleFunc("POST /reconnect", p.steer(func(ctx context.Context, r *runner) error { return r.monitor.Reconnect(ctx) }))
	mux.HandleFunc("POST /down", p.steer(func(ctx context.Context, r *runner) error { defer p.forget(r); return r.down(ctx) }))
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, req *http.Request) {
		reload := sync.OnceValue(reload)
		p.steer(func(_ context.Context, r *runner) error { return reload()[r.name] })(w, req)
	})
	return mux
}

// steer does the same to each tunnel that the request names, all at once.
func (p *process) steer(do func(context.Context, *runner) error) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		meant, err := p.named(req.URL.Query()["tunnel"])
		if err != nil {
			answerJSON(w, http.StatusNotFound, controlAnswer{[]controlResult{{Error: err.Error()}}})
			return
		}
		answer := controlAnswer{make([]controlResult, len(meant))}
		status := http.StatusOK
		var all sync.WaitGroup
		for i, r := range meant {
			all.Go(func() { answer.Results[i] = resultOf(req.Context(), r, do) })
		}
		all.Wait()
		for _, result := range answer.Results {
			if result.Error != "" {
				status = http.StatusConflict
			}
		}
		answerJSON(w, status, answer)
	}
}

func resultOf(ctx context.Context, r *runner, do func(context.Context, *runner) error) controlResult {
	began := time.Now()
	err := do(ctx, r)
	result := controlResult{Tunnel: r.name, Took: monitor.Seconds(time.Since(began))}
	if err != nil {
		result.Error, result.Hint = err.Error(), hintOf(err)
	}
	return result
}

// named gives the tunnels of these names; without names, all.
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

func answerJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.Encode(answer)
}
