package service

import (
	"bufio"
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The soak is for what grows slowly: several tunnels under a load that does not change, with a cut a minute, for as long as
// one likes. What the process holds is sampled, and a test of its slope says whether it is steady.
//
// SOAK_TIME is how long (a Go duration), SOAK_DIR where the table and the drawing are written. `make soak` sets both; an
// ordinary test run has a short form that keeps all this working, too short for a verdict.

const (
	soakShort   = 4 * time.Second
	soakTunnels = 3
	soakCut     = time.Minute            // between two cuts; in a short run two of them fit
	soakPace    = 50 * time.Millisecond  // between two exchanges of an open connection
	soakRequest = 100 * time.Millisecond // between two short connections of a route
	soakPiece   = 8 << 10                // bytes of an exchange
	soakSamples = 300                    // of a run, at most one each 10 s apart
)

func TestSoak(t *testing.T) {
	t.Parallel()
	length, dir := soakShort, t.TempDir()
	if text := os.Getenv("SOAK_TIME"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("SOAK_TIME: %v", err)
		}
	}
	if text := os.Getenv("SOAK_DIR"); text != "" {
		dir = text
	}
	s := startSoak(t)
	log := s.run(length)
	s.stop()

	judgements := log.judge()
	name := filepath.Join(dir, "soak-"+log.began.Format("20060102-150405"))
	write := func(path, text string) {
		mkdir(t, dir)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("written: %s", path)
	}
	write(name+".txt", log.table(len(log.samples))+"\n"+soakVerdict(judgements)+"\n")
	write(name+".svg", log.svg(judgements))
	t.Logf("%d tunnels, %d cuts, %d connections served, %d reset\n%s\n%s",
		soakTunnels, len(log.cuts), s.served.Load(), s.broken.Load(), log.table(20), soakVerdict(judgements))
	for _, j := range judgements {
		if j.growing {
			t.Errorf("%s grows: %s", j.name, j)
		}
	}
}

// soak is a tunneld with its load.
type soak struct {
	t       *testing.T
	child   *lab.Child
	web     string
	relays  []*lab.Relay
	routes  []lab.Route
	quit    chan struct{}
	clients sync.WaitGroup
	served  atomic.Int64
	broken  atomic.Int64
}

// startSoak starts an sshd, a relay for each tunnel, one tunneld for all of them, and the clients.
func startSoak(t *testing.T) *soak {
	server, account := lab.StartSSHD(t), lab.NewAccount(t)
	server.Authorize(account.Key)
	s := &soak{t: t, web: lab.Loopback(lab.FreePort(t)), quit: make(chan struct{})}
	target := lab.StartTarget(t, lab.Echo).Address()
	words := []string{account.PlainBinary(), "up"}
	for i := range soakTunnels {
		relay := lab.StartRelay(t, server.Address())
		account.Trust(relay.Address(), server.HostKey)
		ways := lab.Routes(t, target) // L, R and D
		account.Host(fmt.Sprint("soak", i+1), relay.Port,
			"LocalForward "+ways[0].Address+" "+target, "RemoteForward "+ways[1].Address+" "+target, "DynamicForward "+ways[2].Address,
			"ServerAliveInterval 5", "TunneldBackoffMax 2", "TunneldEchoInterval 5")
		s.relays, s.routes = append(s.relays, relay), append(s.routes, ways...)
		words = append(words, fmt.Sprint("soak", i+1))
	}
	s.child = account.Run(lab.Tunneld, append(words, "-F", account.Path("config"), "--listen", s.web, "--log-format", "json"))
	s.waitServed()
	for _, r := range s.routes {
		s.clients.Go(func() { s.requests(r) })
		s.clients.Go(func() { s.talk(r) })
	}
	return s
}

// waitServed waits until every route carries.
func (s *soak) waitServed() {
	s.t.Helper()
	for _, r := range s.routes {
		var err error
		if !lab.Within(lab.Patience, func() bool { err = r.Works(lab.Patience); return err == nil || !s.child.Running() }) || err != nil {
			s.t.Fatalf("%s does not carry: %v", r.Name, err)
		}
	}
}

// run lets time pass, cuts and samples.
func (s *soak) run(length time.Duration) *soakLog {
	every := min(max(length/soakSamples, 200*time.Millisecond), 10*time.Second)
	log := &soakLog{began: time.Now()}
	sample, cut := time.NewTicker(every), time.NewTicker(min(soakCut, length*2/5))
	defer sample.Stop()
	defer cut.Stop()
	end := time.After(length)
	for reported := 0; ; {
		select {
		case <-sample.C:
			log.samples = append(log.samples, s.sample(log.began))
			if minutes := int(time.Since(log.began).Minutes()); minutes > reported {
				reported = minutes
				s.t.Logf("after %d min: %v", minutes, log.samples[len(log.samples)-1])
			}
		case <-cut.C:
			log.cuts = append(log.cuts, time.Since(log.began))
			for _, r := range s.relays {
				r.Cut()
			}
			s.waitServed()
		case <-end:
			return log
		}
	}
}

// stop ends the clients, and wants tunneld to have noticed each cut and to stop by itself.
func (s *soak) stop() {
	s.t.Helper()
	close(s.quit)
	s.clients.Wait()
	if s.served.Load() == 0 {
		s.t.Error("no client was served")
	}
	if !s.child.Running() {
		s.t.Errorf("tunneld has ended with %d", s.child.ExitCode())
	}
}

// pause is false as soon as the load is to end.
func (s *soak) pause(d time.Duration) bool {
	select {
	case <-s.quit:
		return false
	case <-time.After(d):
		return true
	}
}

// requests opens short connections, one after the other.
func (s *soak) requests(r lab.Route) {
	for s.pause(soakRequest) {
		if err := r.Works(lab.Patience); err != nil {
			s.broken.Add(1)
		} else {
			s.served.Add(1)
		}
	}
}

// talk keeps one connection open, over which data goes both ways, and opens another when it breaks.
func (s *soak) talk(r lab.Route) {
	text := strings.Repeat("soak", soakPiece/4)
	for s.pause(soakPace) {
		conn, err := r.Dial()
		if err != nil {
			s.broken.Add(1)
			continue
		}
		for err == nil && s.pause(soakPace) {
			err = lab.Exchange(conn, text, lab.Patience)
		}
		conn.Close()
		if err != nil {
			s.broken.Add(1)
		}
	}
}

// sample looks at the process from outside, and asks it for what only it knows.
func (s *soak) sample(began time.Time) soakSample {
	s.t.Helper()
	files, _ := lab.Descriptors(s.child.Pid())
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.child.Pid()))
	if err != nil {
		s.t.Fatalf("tunneld has ended: %v", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	resident, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64) // kB
	metrics := s.metrics("go_goroutines", "go_memstats_heap_inuse_bytes")
	return soakSample{at: time.Since(began), values: [soakSeries]float64{
		resident / 1024, metrics["go_memstats_heap_inuse_bytes"] / (1 << 20), metrics["go_goroutines"], float64(files),
	}}
}

// metrics returns those of /metrics that have no labels.
func (s *soak) metrics(names ...string) map[string]float64 {
	s.t.Helper()
	answer, err := (&http.Client{Timeout: lab.Patience, Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + s.web + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	found := make(map[string]float64)
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		for _, name := range names {
			if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
				found[name], _ = strconv.ParseFloat(text, 64)
			}
		}
	}
	if len(found) != len(names) {
		s.t.Fatalf("/metrics has only %v of %v", found, names)
	}
	return found
}
