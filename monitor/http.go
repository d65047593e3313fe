package monitor

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tunneld/tunneld/tunnel"
)

// StuckAfter is how old Heartbeat may be before a supervising loop counts as stuck: for /livez, and for a watchdog.
const StuckAfter = 10 * time.Second

//go:embed page.html
var page []byte

// Handler serves what --listen offers over the tunnels that monitors names at the time of each request. It only reads:
// other methods than GET and HEAD are answered with 405.
//
//	/         a page for people, which reads /status each second
//	/status   Report as JSON
//	/metrics  for Prometheus, with those of the Go runtime and the process
//	/livez    200 while each supervising loop turns, whatever the network does, else 503
//	/readyz   200 while every tunnel is up and every forward listens, else 503 and what is missing, a reason a line;
//	          with ?standby, for several processes that share a -R port, a forward that stands by is fine, too
func Handler(monitors func() []*Monitor) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		Collector(monitors),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, // what is wrong with one tunnel's costs no other its own
	}))
	mux.HandleFunc("GET /{$}", servePage)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { serveStatus(w, monitors()) })
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { serveVerdict(w, stuck(monitors())) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		var fine []tunnel.ForwardState
		if r.URL.Query().Has("standby") {
			fine = []tunnel.ForwardState{tunnel.ForwardStandby}
		}
		serveVerdict(w, unready(monitors(), fine))
	})
	return mux
}

// servePage returns the page, which may load nothing and talk to nobody but us.
func servePage(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "+
		"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	w.Write(page)
}

func serveStatus(w http.ResponseWriter, monitors []*Monitor) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.Encode(NewReport(monitors))
}

// serveVerdict returns 200 where there are no reasons against it.
func serveVerdict(w http.ResponseWriter, reasons []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(reasons) == 0 {
		fmt.Fprintln(w, "ok")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, strings.Join(reasons, "\n"))
}

// stuck returns the tunnels whose loop does not turn.
func stuck(monitors []*Monitor) []string {
	var reasons []string
	for _, m := range monitors {
		if age := time.Since(m.Heartbeat()); age > StuckAfter {
			reasons = append(reasons, fmt.Sprintf("%s: the supervising loop stands still since %s", m.cfg.Name, Round(age)))
		}
	}
	return reasons
}

func unready(monitors []*Monitor, fine []tunnel.ForwardState) []string {
	var reasons []string
	for _, m := range monitors {
		reasons = append(reasons, m.Status().Unready(fine...)...)
	}
	return reasons
}
