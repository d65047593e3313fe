package monitor

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func fetch(t *testing.T, h http.Handler, method, path string) (int, string, http.Header) {
	t.Helper()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(method, path, nil))
	return answer.Code, answer.Body.String(), answer.Header()
}

func TestHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		w := start(t, options(), f)
		h := Handler("v1.2.3", func() []*Monitor { return []*Monitor{w.Monitor} })
		use(f, 2, 17)
		w.pass(time.Minute)
		for path, want := range map[string]string{
			"/": "<!doctype html>", "/status": `"version": 1`, "/metrics": "tunneld_up", "/livez": "ok", "/readyz": "ok",
		} {
			if code, body, _ := fetch(t, h, "GET", path); code != 200 || !strings.Contains(body, want) {
				t.Errorf("GET %s: %d %s", path, code, body)
			}
			for _, method := range []string{"POST", "PUT", "DELETE"} {
				if code, _, _ := fetch(t, h, method, path); code != 405 {
					t.Errorf("%s %s: %d", method, path, code)
				}
			}
		}
		if code, _, _ := fetch(t, h, "GET", "/nothing"); code != 404 {
			t.Errorf("GET /nothing: %d", code)
		}
		_, body, _ := fetch(t, h, "GET", "/status")
		var r Report
		if err := json.Unmarshal([]byte(body), &r); err != nil || r.Tunnels[0].State != Up || r.Tunnels[0].Forwards[0].Total != 17 {
			t.Errorf("%v: %+v", err, r)
		}

		f.rule(refuse(refusedDial()))
		f.session(t).Close()
		w.pass(time.Minute)
		if code, body, _ := fetch(t, h, "GET", "/livez"); code != 200 {
			t.Errorf("/livez while reconnecting: %d %s", code, body)
		}
		if code, body, _ := fetch(t, h, "GET", "/readyz"); code != 503 || !strings.Contains(body, "db: waiting") {
			t.Errorf("/readyz while reconnecting: %d %s", code, body)
		}
		w.finish()
		if code, _, _ := fetch(t, h, "GET", "/livez"); code != 200 {
			t.Error("/livez is red after the end")
		}
	})
}

// A loop that does not turn any more is what /livez is for.
func TestLivezWhenStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := start(t, options(), &fakeTunnel{}, func(c *Config) {
			c.OnChange = func() { <-release }
		})
		h := Handler("v1.2.3", func() []*Monitor { return []*Monitor{w.Monitor} })
		w.pass(StuckAfter + time.Second)
		if code, body, _ := fetch(t, h, "GET", "/livez"); code != 503 || !strings.Contains(body, "db:") {
			t.Errorf("%d %s", code, body)
		}
		close(release)
		w.pass(time.Second)
		if code, body, _ := fetch(t, h, "GET", "/livez"); code != 200 {
			t.Errorf("%d %s", code, body)
		}
		w.finish()
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		w := start(t, options(), f)
		h := Handler("v1.2.3", func() []*Monitor { return []*Monitor{w.Monitor} })
		use(f, 2, 17)
		w.pass(time.Minute)
		f.rule(refuse(refusedDial()))
		f.session(t).set(func(s *fakeSession) { s.in, s.out = 5000, 300 })
		f.session(t).Close()
		w.pass(10 * time.Second)
		f.rule(nil)
		w.within(30*time.Second, Up)
		_, body, _ := fetch(t, h, "GET", "/metrics")
		for _, line := range []string{
			`tunneld_up{tunnel="db"} 1`,
			`tunneld_state{state="up",tunnel="db"} 1`,
			`tunneld_state{state="waiting",tunnel="db"} 0`,
			`tunneld_connects_total{phase="",result="ok",tunnel="db"} 2`,
			`tunneld_connects_total{phase="dial",result="error",tunnel="db"} `,
			`tunneld_reconnects_total{tunnel="db"} 1`,
			`tunneld_probe_rtt_seconds_bucket{probe="keepalive",tunnel="db",le="0.025"} `,
			`tunneld_probe_rtt_seconds_bucket{probe="keepalive",tunnel="db",le="0.01"} 0`,
			`tunneld_wire_bytes_total{direction="in",tunnel="db"} 5000`,
			`tunneld_forward_listening{forward="-D localhost:1080",tunnel="db"} 1`,
			`tunneld_forward_connections_total{forward="-D localhost:1080",tunnel="db"} 17`,
			`go_goroutines `,
		} {
			if !strings.Contains(body, line) {
				t.Errorf("%s is not there", line)
			}
		}
		if strings.Contains(body, `tunneld_probe_rtt_seconds_count{probe="keepalive",tunnel="db"} 0`) {
			t.Error("the histogram counts nothing")
		}
		if t.Failed() {
			t.Log(body)
		}
		problems, err := promlint.New(strings.NewReader(body)).Lint()
		if err != nil {
			t.Error(err)
		}
		for _, p := range problems {
			if strings.HasPrefix(p.Metric, "tunneld_") {
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
		}
		w.finish()
	})
}

// A name is any bytes; Prometheus takes UTF-8 alone, and would take nothing at all because of one name.
func TestMetricsOfANameThatIsNotUTF8(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []*Monitor
		var worlds []*world
		for _, name := range []string{"d\xffb", "d\xfeb", "dä\x80"} {
			f := &fakeTunnel{}
			w := start(t, options(), f, func(c *Config) { c.Name = name })
			worlds, all = append(worlds, w), append(all, w.Monitor)
			use(f, 2, 17)
			w.pass(time.Minute)
		}
		code, body, _ := fetch(t, Handler("v1.2.3", func() []*Monitor { return all }), "GET", "/metrics")
		for _, line := range []string{
			`tunneld_up{tunnel="d\\xffb"} 1`, `tunneld_up{tunnel="d\\xfeb"} 1`, `tunneld_up{tunnel="dä\\x80"} 1`,
			`tunneld_forward_listening{forward="-D localhost:1080",tunnel="d\\xffb"} 1`,
			`tunneld_probe_rtt_seconds_count{probe="keepalive",tunnel="d\\xfeb"} `, `go_goroutines `,
		} {
			if code != 200 || !strings.Contains(body, line) {
				t.Errorf("%d, %s is not there in\n%.3000s", code, line, body)
			}
		}
		for _, w := range worlds {
			w.finish()
		}
	})
}

// The page loads nothing from anywhere, no text of a server can become markup, and its policy allows no script but its own.
func TestPageIsSelfContained(t *testing.T) {
	for path, kind := range map[string]string{"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript"} {
		code, body, header := fetch(t, Handler("v1.2.3", func() []*Monitor { return nil }), "GET", path)
		rest := body
		for _, own := range []string{"http://www.w3.org/2000/svg" /* a name, not an address */, `<script src="page.js" defer>`} {
			rest = strings.ReplaceAll(rest, own, "")
		}
		for _, word := range []string{"http:", "https:", "//cdn", "@import", "url(", "<img", " src=", "<style", " style=", " on", "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "new Function"} {
			if word == " on" && kind != "text/html" {
				continue
			}
			if strings.Contains(rest, word) {
				t.Errorf("%s contains %q", path, word)
			}
		}
		policy := header.Get("Content-Security-Policy")
		for _, rule := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(policy, rule) {
				t.Errorf("%s: the policy %q is without %s", path, policy, rule)
			}
		}
		if code != 200 || strings.Contains(policy, "unsafe") || !strings.HasPrefix(header.Get("Content-Type"), kind) || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d, %v", path, code, header)
		}
	}
}
