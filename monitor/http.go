package monitor

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tunneld/tunneld/tunnel"
)

// StuckAfter is how old Heartbeat may be before a supervising loop counts as stuck: for /livez, and for a watchdog.
const StuckAfter = 20 * time.Second

// page is the page for people: what its files are called there.
//
//go:embed page
var page embed.FS

// Handler serves what --listen offers over the tunnels that monitors names at the time of each request, as the program of that
// version. It only reads: other methods than GET and HEAD are answered with 405.
//
//	/         a page for people, which reads /status each second; its style and its script are /page.css and /page.js
//	/status   Report as JSON
//	/history  a list of History as JSON; with ?tunnel=NAME, once or more, of those tunnels
//	/metrics  for Prometheus, with those of the Go runtime and the process
//	/livez    200 while each supervising loop turns, whatever the network does, else 503
//	/readyz   200 while every tunnel is up and every forward listens, else 503 and what is missing, a reason a line;
//	          with ?standby, for several processes that share a -R port, a forward that stands by is fine, too
func Handler(program string, monitors func() []*Monitor) http.Handler {
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
	mux.HandleFunc("GET /{$}", pageFile("page.html", "text/html"))
	mux.HandleFunc("GET /page.css", pageFile("page.css", "text/css"))
	mux.HandleFunc("GET /page.js", pageFile("page.js", "text/javascript"))
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { serveStatus(w, NewReport(program, monitors())) })
	mux.HandleFunc("GET /history", func(w http.ResponseWriter, r *http.Request) { serveHistory(w, monitors(), r.URL.Query()["tunnel"]) })
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

// pagePolicy has the page load nothing and talk to nobody but us, run no script but its own, and make no markup of text.
const pagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// pageFile serves one of the files of the page.
func pageFile(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, err := page.ReadFile("page/" + name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", kind+"; charset=utf-8")
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		w.Write(text)
	}
}

func serveStatus(w http.ResponseWriter, report Report) {
	jsonHeader(w)
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.Encode(report)
}

// serveHistory serves what is remembered of the tunnels of these names; without names, of all.
func serveHistory(w http.ResponseWriter, monitors []*Monitor, names []string) {
	list := []History{}
	for _, m := range monitors {
		if len(names) == 0 || slices.Contains(names, m.cfg.Name) {
			list = append(list, m.History())
		}
	}
	jsonHeader(w)
	json.NewEncoder(w).Encode(list)
}

func jsonHeader(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
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
			reasons = append(reasons, fmt.Sprintf("%s: the supervising loop has stood still for %s", m.cfg.Name, Round(age)))
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
