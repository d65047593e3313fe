package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// The ciphers that people who care choose: what tunneld takes by itself, too.
var fastest = []string{"-c", "aes128-gcm@openssh.com"}

// direct is the alias that leads to the server without the relay.
const direct = "direct"

// house is where the programs run: a server and the aliases that lead to it.
type house struct {
	testing.TB
	*lab.Lab
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{t, lab.LabOf(t, lab.StartSSHD(t, "LogLevel ERROR"))}
	h.Account.Trust(h.Server.Address(), h.Server.HostKey)
	h.Account.Host(direct, h.Server.Port)
	return h
}

// peer is a program that carries a forward, with the processes that it consists of.
type peer struct {
	testing.TB
	child *lab.Child
	lab.Route
}

// tunneld starts ours as people run it: without the tests' debug log.
func (h *house) tunneld(alias string, r lab.Route, words ...string) peer {
	h.TB.Helper()
	return h.begin(lab.Tunneld, r, h.Words(h.Account.PlainBinary(), "up", alias, "-F", h.Account.Path("config"), r.Flags, words))
}

func (h *house) ssh(alias string, r lab.Route, words ...string) peer {
	h.TB.Helper()
	return h.begin(lab.OpenSSH, r, h.Words("ssh", "-N", alias, "-F", h.Account.Path("config"), r.Flags, words))
}

func (h *house) begin(p lab.Program, r lab.Route, words []string) peer {
	h.TB.Helper()
	c := h.Account.Run(p, words)
	if r.Address != "" {
		h.WaitCarrying(c, r)
	}
	return peer{h.TB, c, r}
}

// stop ends programs and waits until they have ended.
func stop(peers ...peer) {
	for _, p := range peers {
		p.child.Signal(syscall.SIGTERM)
	}
	for _, p := range peers {
		p.child.WaitExit(p.TB, lab.Patience)
	}
}

// processes are those that peers consist of now.
func processes(peers ...peer) (list running) {
	for _, p := range peers {
		for _, process := range lab.ProcessTree(p.child.Pid()) {
			list = append(list, fmt.Sprintf("/proc/%d", process.Pid))
		}
	}
	return list
}

// running is some processes: their directories in /proc.
type running []string

func (r running) sum(of func(dir string) float64) (total float64) {
	for _, dir := range r {
		total += of(dir)
	}
	return total
}

// cpu is the time that the processes have used up, in user space and in the kernel, in seconds. The kernel counts in hundredths.
func (r running) cpu() float64 {
	return r.sum(func(dir string) float64 {
		data, _ := os.ReadFile(dir + "/stat")
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if len(fields) < 13 {
			return 0
		}
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		return float64(user+system) / 100
	})
}

// ran is the time that their threads have run, in nanoseconds: cpu, for what is short. A thread that has ended counts no more.
func (r running) ran() float64 {
	return r.sum(func(dir string) (total float64) {
		threads, _ := filepath.Glob(dir + "/task/*/schedstat")
		for _, thread := range threads {
			data, _ := os.ReadFile(thread)
			text, _, _ := strings.Cut(string(data), " ")
			nanoseconds, _ := strconv.ParseFloat(text, 64)
			total += nanoseconds
		}
		return total
	})
}

// private is the memory that nobody shares with the processes, in bytes.
func (r running) private() float64 {
	return r.sum(func(dir string) float64 {
		return 1024 * (numberIn(dir+"/smaps_rollup", "Private_Clean") + numberIn(dir+"/smaps_rollup", "Private_Dirty"))
	})
}

// dirty is the part of it that they have written to.
func (r running) dirty() float64 {
	return r.sum(func(dir string) float64 { return 1024 * numberIn(dir+"/smaps_rollup", "Private_Dirty") })
}

// calls is how often they have read and written.
func (r running) calls() (reads, writes float64) {
	return r.sum(func(dir string) float64 { return numberIn(dir+"/io", "syscr") }), r.sum(func(dir string) float64 { return numberIn(dir+"/io", "syscw") })
}

// wakeUps is how often one of the threads had been waiting, and went on.
func (r running) wakeUps() float64 {
	return r.sum(func(dir string) (total float64) {
		threads, _ := filepath.Glob(dir + "/task/*/status")
		for _, thread := range threads {
			total += numberIn(thread, "voluntary_ctxt_switches")
		}
		return total
	})
}

// settle waits until they have done nothing for a while.
func (r running) settle() running {
	last, since := -1.0, time.Now()
	lab.Within(lab.Patience, func() bool {
		if now := r.cpu(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > much.settle
	})
	return r
}

// numberIn returns the number that follows a key of a file in /proc; 0 where there is none.
func numberIn(file, key string) float64 {
	data, _ := os.ReadFile(file)
	for line := range strings.Lines(string(data)) {
		if name, rest, _ := strings.Cut(line, ":"); name == key {
			value, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return value
		}
	}
	return 0
}
