package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// What a browser makes of the page: the state of the tunnel, and no markup from what a server says.
func TestPageInABrowser(t *testing.T) {
	hostile := `<img src=x onerror="document.title='taken'">`
	f := &fakeTunnel{began: time.Now(), wanted: make(chan struct{}), forwards: fakeForwards(2, 17)}
	f.forwards[0].LastError = hostile
	f.connect = func(_ context.Context, n int) (*fakeSession, error) {
		if n == 1 {
			return nil, &fault.Error{Phase: fault.PhaseDial, Err: errors.New(hostile)}
		}
		return newFakeSession(n), nil
	}
	w := newWorld(t, options(), f)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { w.ended <- w.Run(ctx) }()
	defer func() { cancel(); <-w.ended }()
	server := httptest.NewServer(Handler("v1.2.3", func() []*Monitor { return []*Monitor{w.Monitor} }))
	defer server.Close()

	b := startBrowser(t)
	b.look(1280, "light")
	b.open(server.URL)
	for _, text := range []string{"bob@db.example:22", "-D localhost:1080", "v1.2.3", "up ", "<img src=x"} {
		b.await(text, fmt.Sprintf("document.body !== null && document.body.innerText.includes(%q)", text))
	}
	b.await("the count in the title", `document.title.startsWith("1 of 1 up · ")`)
	b.await("the connections", `[...document.querySelectorAll("td[data-label]")].map(c => c.dataset.label + c.textContent).join(" ").startsWith("open2 total17 ")`)
	if n := b.evaluate(`document.querySelectorAll("img").length`); n != float64(0) {
		t.Error("a server's text became markup")
	}

	// What somebody has selected stays, whatever the page shows anew.
	b.evaluate(`getSelection().selectAllChildren(document.querySelector(".command code")); window.was = document.querySelector(".command code"); null`)
	b.evaluate("turn()")
	if got := b.evaluate(`document.querySelector(".command code") === window.was && getSelection().toString()`); got != "tunneld log -f db" {
		t.Errorf("the selection is %v after another turn", got)
	}
	b.evaluate(`document.querySelector("h2 button").click()`)
	b.await("a closed tunnel", `document.querySelectorAll(".body").length === 0`)
}

// The page at the widths of a telephone, a tablet and a screen: nothing is wider than it. With TUNNELD_SCREENSHOTS, a directory,
// there are pictures of it, in the light and in the dark (make screenshots).
func TestPageFits(t *testing.T) {
	pictures := os.Getenv("TUNNELD_SCREENSHOTS")
	b := startBrowser(t)
	show := func(name string, tunnels int) {
		server := httptest.NewServer(sample(t, tunnels))
		t.Cleanup(server.Close)
		b.open(server.URL)
		b.await("the tunnels", fmt.Sprintf(`document.querySelectorAll("article").length === %d`, tunnels))
	}
	fits := func(name string, schemes ...string) {
		for _, width := range []int{400, 900, 1600} {
			for _, scheme := range schemes {
				b.look(width, scheme)
				if wide := b.evaluate("document.documentElement.scrollWidth"); wide.(float64) > float64(width) {
					t.Errorf("%s at %d: the page is %v wide", name, width, wide)
				}
				if pictures != "" {
					b.shot(filepath.Join(pictures, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)))
				}
			}
		}
	}
	schemes := []string{"light", "dark"}

	show("six", 6)
	b.await("the count", `document.getElementById("count").textContent === "3 of 6 up" && document.title === "3 of 6 up · gateway-1.example · tunneld"`)
	if order := b.evaluate(`[...document.querySelectorAll("h2")].slice(0, 3).map(h => h.textContent).join()`); order != "backup,web,edge" {
		t.Errorf("the first are %v, want those in trouble", order)
	}
	b.evaluate(`document.querySelector('[data-toggle="web"] button').click()`)
	for what, expression := range map[string]string{
		"the age of the oldest client":                `document.querySelector(".row .state.down").textContent.endsWith("2 held, the oldest for 12s")`,
		"a scale":                                     `[...document.querySelectorAll(".scale span")].map(s => s.textContent).join().endsWith(",30 ms,15 ms,0 ms")`,
		"the outages":                                 `document.querySelectorAll(".outages li").length === 5 && document.body.innerText.includes("and 2 before that")`,
		"the one that goes on before them":            `/^.*down 9m 0s so far.*connection reset by peer.* · 8 attempts$/.test(document.querySelector(".outages li").textContent) && document.querySelectorAll(".outages .down").length === 1`,
		"their columns in the bar":                    `document.querySelectorAll("article:nth-child(2) .bar.large .short").length > 3 && document.querySelectorAll("article:nth-child(2) .bar.large .long").length > 3`,
		"a failure to its end":                        `document.querySelectorAll("article:first-child .bar .long").length >= 36`,
		"the cause of an outage that goes on":         `[...document.querySelectorAll("article:nth-child(2) .bar.large title")].pop().textContent.endsWith(": connection reset by peer")`,
		"the cause of a failure":                      `[...document.querySelectorAll("article:first-child .bar title")].pop().textContent.includes(": host key of ")`,
		"a command":                                   `document.querySelector("[data-copy]").dataset.copy === "tunneld log -f web"`,
		"why a forward has failed a client, and when": `[...document.querySelectorAll("article:nth-child(2) tr.note")].some(r => r.textContent === "7m 0s ago: the server cannot reach localhost:5432: Connection refused")`,
		"the cause of an outage, where one points at": `[...document.querySelectorAll("article:nth-child(2) .bar.large title")].some(e => /^\d\d:\d\d: down [0-9.]+m?s.*: .*(no byte for 45s|connection reset by peer|this machine slept)/.test(e.textContent))`,
		"the last events with their causes":           `document.querySelector(".list.events").innerText.includes("connection lost: no byte for 45s")`,
		"scales that end above what is drawn":         `document.querySelectorAll(".chart .line").length === 3 && [...document.querySelectorAll(".chart .line")].every(l => { const b = l.getBBox(); return b.width > 50 && b.y >= 0 && b.y + b.height <= 100 })`,
		"three numbers at each":                       `[...document.querySelectorAll(".scale")].every(s => { const n = [...s.children].map(c => parseFloat(c.textContent)); return n.length === 3 && n[2] === 0 && n[0] === 2 * n[1] })`,
	} {
		b.await(what, expression) // the histories are asked for when one unfolds
	}
	fits("six", schemes...)
	for width, columns := range map[int][]string{400: {"h2", ".history"}, 900: {"h2", ".state", ".history"}, 1600: {"h2", ".state", ".server", ".history"}} {
		b.look(width, "light")
		b.aligned(".row", columns, "left")
		if width > 400 {
			b.aligned(".row", []string{".rtt", ".share"}, "right")
			b.await("numbers in one piece", `[...document.querySelectorAll("td.number:nth-child(4)")].every(c => { const r = document.createRange(); r.selectNodeContents(c); return r.getClientRects().length === 1 })`)
			b.aligned("article:nth-child(2) tr:not(.note)", []string{":nth-child(3)", ":nth-child(4)", ":nth-child(7)", ":nth-child(8)"}, "right")
		}
	}
	if pictures == "" {
		return
	}
	b.evaluate(`document.querySelector('[data-toggle="backup"] button').click(); document.querySelector('[data-toggle="web"] button').click(); document.querySelector('[data-span="day"]').click()`)
	fits("day", schemes...)
	for name, tunnels := range map[string]int{"two": 2, "none": 0} {
		show(name, tunnels)
		fits(name, schemes...)
	}
	show("many", 200)
	fits("many", "light")
}

// aligned wants the cells of each column to begin, or to end, under each other in all rows that show one.
func (b *chromium) aligned(row string, columns []string, edge string) {
	b.t.Helper()
	for _, column := range columns {
		places := b.evaluate(fmt.Sprintf(`[...new Set([...document.querySelectorAll(%q)].map(r => r.querySelector(":scope > " + %q)).filter(c => c && c.offsetWidth).map(c => Math.round(c.getBoundingClientRect().%s)))].join()`, row, column, edge))
		if text, ok := places.(string); !ok || text == "" || strings.Contains(text, ",") {
			b.t.Errorf("the column %s %s has its %s edges at %v", row, column, edge, places)
		}
	}
}

// sample serves the page over tunnels that somebody has made up.
func sample(t *testing.T, tunnels int) http.Handler {
	t.Helper()
	now := time.Now()
	report := Report{Version: ReportVersion, Time: now, Machine: "gateway-1.example", Program: "v1.2.3"}
	var histories []History
	for i := range tunnels {
		s := sampleStatus(i, now)
		s.Missing = s.Unready()
		report.Tunnels = append(report.Tunnels, s)
		histories = append(histories, sampleHistory(s, i, now))
	}
	mux := http.NewServeMux()
	mux.Handle("/", Handler("v1.2.3", func() []*Monitor { return nil }))
	for path, answer := range map[string]any{"/status": report, "/history": histories} {
		text, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { w.Write(text) })
	}
	return mux
}

func sampleStatus(i int, now time.Time) Status {
	name := []string{"db", "web", "metrics", "backup", "edge", "a-machine-with-a-rather-long-name.internal"}[i%6]
	host := name + ".example.org"
	if i%6 == 5 {
		name = "bob@" + host
	}
	if i > 5 {
		name = fmt.Sprintf("%s-%d", name, i/6)
	}
	s := Status{
		Name: name, Alias: name, State: Up, Since: now.Add(-time.Duration(i+1) * 47 * time.Minute), Began: now.Add(-26 * time.Hour),
		Server: Server{User: "bob", Host: host, Port: 22, Address: "203.0.113.7:22", Version: "SSH-2.0-OpenSSH_10.0p2 Debian-7",
			Cipher: "aes128-gcm@openssh.com", Fingerprint: "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDuDU6R7oTQfCqyQyo"},
		RTT: Seconds(12345 * time.Microsecond), Reconnects: uint64(i), BytesIn: 48_123_456, BytesOut: 1_200_000, RateIn: 123_456, RateOut: 2_345,
		Sessions: []SessionStatus{{Slot: 1, State: Up}},
		Forwards: []ForwardStatus{
			{Kind: "L", Spec: "-L 5432:localhost:5432", State: tunnel.ForwardListening, Bound: []string{"127.0.0.1:5432", "[::1]:5432"},
				Carried: tunnel.Carried{Open: 3, Total: 1041, BytesIn: 48_000_000, BytesOut: 1_100_000}, RateIn: 123_000, RateOut: 2_300,
				LastError: "the server cannot reach localhost:5432: Connection refused", FailedAt: now.Add(-7 * time.Minute)},
			{Kind: "D", Spec: "-D 1080", State: tunnel.ForwardListening, Bound: []string{"127.0.0.1:1080", "[::1]:1080"}, Carried: tunnel.Carried{Total: 4, Refused: 1}},
			{Kind: "R", Spec: "-R 8080:localhost:80", State: tunnel.ForwardListening, Bound: []string{"localhost:8080"}, Carried: tunnel.Carried{Open: 1, Total: 17, BytesIn: 9_000, BytesOut: 123_000}},
		},
		Events: []Event{
			{Time: now.Add(-41 * time.Minute), Level: "warn", Text: foreign.Line("connection lost"), Cause: foreign.Line("no byte for 45s")},
			{Time: now.Add(-40 * time.Minute), Level: "info", Text: foreign.Line("reconnected"), Details: foreign.Line("address=203.0.113.7:22 took=212ms outage=48s")},
		},
		LastOutage: &Outage{Began: now.Add(-41 * time.Minute), Ended: now.Add(-40 * time.Minute), Attempts: 3, Why: foreign.Line("no byte for 45s")},
	}
	down := func(state State, why string, age time.Duration) {
		s.State, s.Since, s.Why, s.RTT, s.RateIn, s.RateOut = state, now.Add(-age), why, 0, 0, 0
		s.Sessions[0].State = state
		s.LastError = &Failure{Time: now, Text: foreign.Line(why)}
	}
	switch {
	case i >= 6 && i%17 != 0:
	case i%6 == 1:
		down(Waiting, "bob@"+host+":22: connecting to 203.0.113.7:22: connection refused", 7*time.Second)
		s.DownSince, s.Attempts, s.RetryAt, s.Held, s.HeldSince = now.Add(-9*time.Minute), 8, now.Add(6700*time.Millisecond), 2, now.Add(-12*time.Second)
		s.LastError.Hint = "nothing listens on port 22 there: check Port, and that sshd runs"
		s.Forwards[0].Held, s.Forwards[0].HeldSince = 2, s.HeldSince
		s.Forwards[2].State, s.Forwards[2].Bound = tunnel.ForwardAsking, nil
	case i%6 == 3:
		down(Failed, "host key of "+host+" has changed: the server shows ssh-ed25519 SHA256:2Tbqx1Y5fyIl6wAxWDQiTbYPfJdYCN2cR9lZyHUbnSo, ~/.ssh/known_hosts:12 holds another", 3*time.Hour)
		s.LastError.Hint = "someone may be intercepting the connection; if the key was changed on purpose: ssh-keygen -R backup.example.org"
	case i%6 == 4:
		s.Forwards[2].State, s.Forwards[2].Bound, s.Forwards[2].LastError = tunnel.ForwardFailed, nil, "refused by the server: below 1024 needs root there"
	}
	return s
}

// sampleHistory has busy hours, a few outages, and a machine that slept.
func sampleHistory(s Status, i int, now time.Time) History {
	var h history
	causes := []string{"no byte for 45s", "connection reset by peer", "this machine slept"}
	for at := now.Add(-24 * time.Hour); at.Before(now); at = at.Add(15 * time.Second) {
		age := now.Sub(at)
		if age > 15*time.Hour && age < 17*time.Hour || s.State == Failed && age < 3*time.Hour {
			continue
		}
		wave := 1 + math.Sin(age.Seconds()/2500+float64(i)) + 0.4*math.Sin(age.Seconds()/171) // the same at all times of the day
		h.measured(at, 15*time.Second, uint64(max(0, 1.5e6*wave)), uint64(max(0, 2e5*wave)))
		down := i%2 == 1 && (age < 9*time.Minute || age > 5*time.Hour && age < 5*time.Hour+20*time.Minute)
		if down {
			h.down(at.Add(-15*time.Second), at)
			continue
		}
		h.answered(at, time.Duration(12e6+4e6*wave+float64(at.Unix()%7)*4e5))
	}
	for n := 5; n >= 0; n-- {
		began := now.Add(-time.Duration(n*n+1) * 41 * time.Minute)
		h.over(Outage{Began: began, Ended: began.Add(time.Duration(n+1) * 9 * time.Second), Attempts: n, Why: foreign.Line(causes[n%3])})
		h.day.steps[len(h.day.steps)-1-int(now.Sub(began)/dayStep)].down += float32(n+1) * 9
	}
	all := History{Name: s.Name, Hour: h.hour.series(hourStep), Day: h.day.series(dayStep), Outages: h.outages}
	if !s.DownSince.IsZero() {
		all.Outage = &Outage{Began: s.DownSince, Attempts: s.Attempts, Why: foreign.Line(causes[1])}
	}
	return all
}
