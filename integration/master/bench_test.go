package master

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// What the README says of the time that clients take. A busy machine slows all sides down alike, so what counts is the ratio
// of runs that follow one another at once.
const (
	maxTrue  = 1.1 // of the time of ssh's master, for `ssh ALIAS true`
	minRsync = 1.0 // of the throughput of ssh's master
	farDelay = 20 * time.Millisecond
)

// TestFastAsSSHsMaster measures `ssh ALIAS true` and rsync over tunneld, over ssh's own master and after a fresh login, in
// turn. It runs where somebody asks for it (make bench-master): in a run of all tests the other tests would be measured.
func TestFastAsSSHsMaster(t *testing.T) {
	runs, _ := strconv.Atoi(os.Getenv("TUNNELD_BENCH_MASTER"))
	if runs == 0 {
		return // a skipped test is a failure in CI
	}
	server := lab.StartSSHD(t)
	ours, theirs := contenders(t, server, 0)
	words := func(s *side, flags ...string) []string { return s.words(append(flags, lab.Alias, "true")...) }
	near := newRace(ours, theirs, "ssh ALIAS true").run(t, runs, words(ours), words(theirs))
	near.beside(t, "a fresh login", max(runs/5, 3), words(theirs, "-S", "none"))
	remote, others := contenders(t, server, farDelay)
	far := newRace(remote, others, fmt.Sprintf("the same, %v away", 2*farDelay)).run(t, max(runs/5, 3), words(remote), words(others))
	dir := t.TempDir()
	source, sum := randomFile(t, filepath.Join(dir, "source"), volume(t))
	rsync := func(s *side, there bool) []string {
		target := filepath.Join(dir, s.name)
		if there {
			return []string{"rsync", "-W", "-I", "-e", strings.Join(s.words(), " "), source, lab.Alias + ":" + target}
		}
		return []string{"rsync", "-W", "-I", "-e", strings.Join(s.words(), " "), lab.Alias + ":" + source, target}
	}
	transfers := max(runs/12, 3)
	there := newRace(ours, theirs, fmt.Sprintf("rsync of %d MiB there", volume(t)>>20)).run(t, transfers, rsync(ours, true), rsync(theirs, true))
	back := newRace(ours, theirs, fmt.Sprintf("rsync of %d MiB back", volume(t)>>20)).run(t, transfers, rsync(ours, false), rsync(theirs, false))
	if fileSum(t, filepath.Join(dir, ours.name)) != sum {
		t.Error("another file has arrived")
	}
	for _, r := range []*race{near, far} {
		if r.ratio() > maxTrue {
			t.Errorf("%s: %.2f of the time of ssh's master, want at most %.2f", r.name, r.ratio(), maxTrue)
		}
	}
	for _, r := range []*race{there, back} {
		if 1/r.ratio() < minRsync {
			t.Errorf("%s: %.2f of the throughput of ssh's master, want at least %.2f", r.name, 1/r.ratio(), minRsync)
		}
	}
}

// contenders starts both masters, each way to the server so far.
func contenders(t *testing.T, server *lab.Sshd, delay time.Duration) (ours, theirs *side) {
	t.Helper()
	var lines []string
	if delay == 0 { // with no relay in between, which would be measured
		lines = []string{fmt.Sprint("Port ", server.Port)}
	}
	ours, theirs = newSide(t, lab.Tunneld, server, lines...), newSide(t, lab.OpenSSH, server, lines...)
	for _, s := range []*side{ours, theirs} {
		s.Account.Trust(server.Address(), server.HostKey)
		s.Relay.SetDelay(delay)
	}
	ours.Plain = true
	ours.start(t, lab.Tunneld)
	theirs.start(t, lab.OpenSSH)
	return ours, theirs
}

// race is one thing done in turn over two masters.
type race struct {
	name         string
	ours, theirs *side
	time         [2][]float64 // s, of the client's
	cpu          [2][]float64 // s, of the master and of the client with its children
}

func newRace(ours, theirs *side, name string) *race {
	return &race{name: name, ours: ours, theirs: theirs}
}

// run has both do it a number of times, and says how they did. Who is first changes from turn to turn.
func (r *race) run(t *testing.T, turns int, ours, theirs []string) *race {
	t.Helper()
	for turn := range turns + 1 {
		for n := range 2 {
			i := (turn + n) % 2
			s, words := r.ours, ours
			if i == 1 {
				s, words = r.theirs, theirs
			}
			took, cpu := s.measure(t, words)
			if turn > 0 { // the first finds nothing in caches
				r.time[i], r.cpu[i] = append(r.time[i], took), append(r.cpu[i], cpu)
			}
		}
	}
	t.Logf("%s, %d times each:\n  time  %s\n  CPU   %s", r.name, turns, compare(r.time), compare(r.cpu))
	return r
}

// beside says how long something else takes.
func (r *race) beside(t *testing.T, name string, turns int, words []string) {
	t.Helper()
	var all []float64
	for range turns {
		took, _ := r.theirs.measure(t, words)
		all = append(all, took)
	}
	t.Logf("%s: %.1f ms, of which tunneld takes %.2f", name, 1000*lab.Median(all), lab.Median(r.time[0])/lab.Median(all))
}

// ratio is the median of the turns', ours to theirs: what else the machine does falls on both of a turn.
func (r *race) ratio() float64 { return lab.Median(ratios(r.time)) }

// ratios returns that of each turn, the least first.
func ratios(list [2][]float64) (all []float64) {
	for i := range list[0] {
		all = append(all, list[0][i]/max(list[1][i], 1e-9))
	}
	slices.Sort(all)
	return all
}

// compare words two lists of seconds: the ratios of the turns with their quartiles, and the medians of both sides.
func compare(list [2][]float64) string {
	all := ratios(list)
	return fmt.Sprintf("ratio %.3f (a quarter below %.3f, a quarter above %.3f); tunneld %.1f ms, ssh's master %.1f ms",
		lab.Median(all), all[len(all)/4], all[len(all)*3/4], 1000*lab.Median(list[0]), 1000*lab.Median(list[1]))
}

// measure runs a client that has to do what it is for, and returns how long it took, and what it and the master have used, in s.
func (s *side) measure(t *testing.T, words []string) (took, cpu float64) {
	t.Helper()
	used := cpuOf(t, s.master.Pid())
	cmd := s.client(t.Context(), words...)
	began := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %v", s.name, words, err)
	}
	took = time.Since(began).Seconds()
	return took, cpuOf(t, s.master.Pid()) - used + cmd.ProcessState.UserTime().Seconds() + cmd.ProcessState.SystemTime().Seconds()
}

// cpuOf is what a process has used so far, in s: the sum over its threads, which the scheduler counts in ns.
func cpuOf(t *testing.T, pid int) (used float64) {
	t.Helper()
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, path := range threads {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // a thread that has ended: Go's seldom do
		}
		ns, _ := strconv.ParseFloat(strings.Fields(string(data))[0], 64)
		used += ns / 1e9
	}
	return used
}
