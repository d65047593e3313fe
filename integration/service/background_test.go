package service

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// away is what `up -f` says in the end.
var away = regexp.MustCompile(`(?m)^tunneld: (.+) in the background, process (\d+)(; not connected yet: .*)?$`)

// upInBackground runs `up -f`, which has to end with 0, and returns the number of the process that it leaves behind, and what it
// said. The test ends that process.
func upInBackground(t *testing.T, l *lab.Lab, words ...string) (pid int, text string) {
	t.Helper()
	text = l.Account.Expect(0, away.String(), append([]string{"up", "-f", "-F", l.Account.Path("config")}, words...)...)
	return processOf(t, text), text
}

// processOf returns the number of the process that text tells of, and ends it with the test.
func processOf(t *testing.T, text string) int {
	t.Helper()
	found := away.FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("nothing is in the background:\n%s", text)
	}
	pid, _ := strconv.Atoi(found[2])
	behind := lab.ProcessTree(pid)
	t.Cleanup(func() { behind.Signal(syscall.SIGKILL) })
	return pid
}

// gone reports whether a process has ended.
func gone(pid int) bool { return syscall.Kill(pid, 0) != nil }

func TestBackground(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	pidFile := l.Account.Path("pid")
	pid, text := upInBackground(t, l, "one", "two", "--pidfile", pidFile)
	lab.Check(t, one.Works(lab.Patience))
	lab.Check(t, other.Works(lab.Patience))
	if !strings.Contains(text, "one, two in the background") ||
		!strings.Contains(text, "tunneld: hint: `tunneld log one two` shows what happens, `tunneld down one two` stops them\n") {
		t.Errorf("it says\n%s", text)
	}
	if number, err := os.ReadFile(pidFile); err != nil || strings.TrimSpace(string(number)) != strconv.Itoa(pid) {
		t.Errorf("the pid file holds %q, %v; want %d", number, err, pid)
	}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.TrimSpace(string(name)) != filepath.Base(l.Account.Binary()) {
		t.Errorf("its name is %q", name)
	}
	for fd := range 3 {
		if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); err == nil && to != os.DevNull {
			t.Errorf("descriptor %d is %s", fd, to)
		}
	}
	l.Account.Expect(0, `connected`, "log", "one")
	l.Account.Expect(2, fmt.Sprintf("one: already running as process %d", pid), "up", "-f", "-F", l.Account.Path("config"), "one")
	l.Account.Expect(0, "one: stopped(?s).*two: stopped", "down", "one", "two")
	lab.Eventually(t, lab.Patience, "it has ended", func() bool { return gone(pid) })
	l.Account.Expect(1, "^tunneld: one: no tunnel is running\ntunneld: hint: start one: ", "log", "one") // and it left nothing to tell
}

// What is wrong is said before the person's shell goes on, with the exit code that goes with it.
func TestBackgroundThatIsNotReached(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		flags func(t *testing.T, l *lab.Lab) []string
		code  int
		says  string
	}{
		{"configuration", func(*testing.T, *lab.Lab) []string { return []string{"-o", "NoSuchOption=1"} }, 2, "(?i)nosuchoption"},
		{"local port", func(t *testing.T, l *lab.Lab) []string {
			return []string{"-o", "ExitOnForwardFailure=yes", "-D", l.Relay.Address()}
		}, 2, "in use"},
		{"host key", func(*testing.T, *lab.Lab) []string { return []string{"-o", "UserKnownHostsFile=/dev/null"} }, 3, "host key(?s).*hint: "},
		{"login", func(t *testing.T, l *lab.Lab) []string {
			lab.WriteKey(t, l.Account.Path("id_ed25519")) // another one
			return nil
		}, 3, "refused"},
		{"remote port", func(t *testing.T, l *lab.Lab) []string {
			r := lab.RemoteRoute(t, "127.0.0.1:1")
			l.Hold(r)
			return append(r.Flags, "-o", "ExitOnForwardFailure=yes")
		}, 1, "remote port forwarding failed for listen port(?s).*hint: ExitOnForwardFailure"},
		{"log file", func(_ *testing.T, l *lab.Lab) []string { return []string{"-E", l.Account.Path("no/such/file")} }, 2, "-E: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			words := []string{"up", "-f", "-F", l.Account.Path("config"), lab.Alias, "-D", lab.Loopback(lab.FreePort(t))}
			text := l.Account.Expect(c.code, c.says, append(words, c.flags(t, l)...)...)
			if away.MatchString(text) {
				t.Errorf("and still something is in the background:\n%s", text)
			}
			l.Account.Expect(0, "no tunnel is running", "status")
		})
	}
}

// A server that is down when the machine boots must not keep the others from starting: clients are held.
func TestBackgroundWithoutServer(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Relay.Shut()
	_, text := upInBackground(t, l, "one")
	if !strings.Contains(text, "; not connected yet: one") {
		t.Errorf("it says\n%s", text)
	}
	held := make(chan error, 1)
	go func() { held <- one.Works(2 * lab.Patience) }()
	lab.Eventually(t, lab.Patience, "a client is held", func() bool {
		text, _ := l.Account.Ask("status")
		return strings.Contains(text, "1 held")
	})
	l.Relay.Open()
	lab.Check(t, <-held)
}

// With ExitOnForwardFailure yes, ssh goes into the background when every remote port is granted.
func TestBackgroundWaitsForRemotePorts(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Relay.Shut()
	r := lab.RemoteRoute(t, lab.StartTarget(t, lab.Echo).Address())
	first := l.Account.Tunneld(append([]string{"up", "-f", "-F", l.Account.Path("config"), lab.Alias, "-o", "ExitOnForwardFailure=yes"}, r.Flags...)...)
	lab.Eventually(t, lab.Patience, "attempts have failed", func() bool { return strings.Contains(first.Text(), "attempt=3") })
	if !first.Running() {
		t.Fatalf("it has ended:\n%s", first.Text())
	}
	l.Relay.Open()
	if code := first.WaitExit(t, 3*lab.Patience); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, first.Text())
	}
	processOf(t, first.Text())
	if !lab.Accepts(r.Address) {
		t.Error("the remote port is not there yet")
	}
}

// A signal to the process that waits is one to both, and nothing stays behind.
func TestSignalOnTheWayIntoTheBackground(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			l, _, _ := two(t)
			l.Relay.Freeze()
			first := l.Account.Tunneld("up", "-f", "-F", l.Account.Path("config"), "one")
			lab.Eventually(t, lab.Patience, "it is on its way", func() bool { return len(l.Account.Names()) == 1 })
			first.Signal(s)
			if code := first.WaitExit(t, lab.Patience); code != 1 || away.MatchString(first.Text()) {
				t.Errorf("exit code %d, it says\n%s", code, first.Text())
			}
			l.Account.Expect(0, "no tunnel is running", "status")
		})
	}
}

// Whoever kills the process that waits wants no other to go on.
func TestNobodyWaitsForTheBackground(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	l.Relay.Freeze()
	first := l.Account.Tunneld("up", "-f", "-F", l.Account.Path("config"), "one")
	lab.Eventually(t, lab.Patience, "it is on its way", func() bool { return len(l.Account.Names()) == 1 })
	second := lab.ProcessTree(first.Pid()).Below()
	t.Cleanup(func() { second.Signal(syscall.SIGKILL) })
	first.Signal(syscall.SIGKILL)
	lab.Eventually(t, lab.Patience, "the other one ends", func() bool { return len(l.Account.Names()) == 0 })
}

// Where the log of a process in the background goes.
func TestLogInTheBackground(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"-E": {"-E", "log"}, "standard error": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, _, _ := two(t)
			words := append([]string{l.Account.Binary(), "up", "-f", "-F", l.Account.Path("config"), "one"}, flags...)
			script := strings.Join(words, " ")
			if flags == nil {
				script += " 2>>log"
			}
			c := l.Account.Run(lab.Tunneld, []string{"sh", "-c", script + "; cat log"})
			if code := c.WaitExit(t, 2*lab.Patience); code != 0 {
				t.Fatalf("exit code %d:\n%s", code, c.Text())
			}
			processOf(t, c.Text())
			if flags != nil && !strings.Contains(c.Text(), "; the log goes to "+l.Account.Path("log")) {
				t.Errorf("it says\n%s", c.Text())
			}
			l.Account.Expect(0, "one: reconnected", "reconnect", "one")
			lab.Eventually(t, lab.Patience, "what happens later is in the file", func() bool {
				text, _ := os.ReadFile(l.Account.Path("log"))
				return strings.Contains(string(text), "replaced")
			})
		})
	}
}

// With -q nothing is said, as by ssh; with JSON the last line is JSON, too.
func TestWordsOnTheWayIntoTheBackground(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	up := []string{"up", "-f", "-F", l.Account.Path("config")}
	l.Account.Expect(0, "^$", append(up, "one", "-q")...)
	l.Account.Expect(0, "one: stopped", "down", "one")
	text := l.Account.Expect(0, `"msg":"in the background","tunnels":\["one"\],"pid":\d+,"hint":".tunneld log one. shows`, append(up, "one", "--log-format", "json")...)
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "{") {
			t.Errorf("no JSON: %s", line)
		}
	}
	l.Account.Expect(0, "one: stopped", "down", "one")
}

// A process in the background that ends by itself leaves word where people look.
func TestEndInTheBackground(t *testing.T) {
	t.Parallel()
	t.Run("for good", func(t *testing.T) {
		t.Parallel()
		l, _, _ := two(t)
		pid, _ := upInBackground(t, l, "one")
		lab.WriteFile(t, l.Account.Path("known_hosts"), "")
		l.Account.Trust(l.Relay.Address(), lab.WriteKey(t, l.Account.Path("other")))
		l.Relay.Cut()
		lab.Eventually(t, lab.Patience, "it has ended", func() bool { return gone(pid) })
		l.Account.Expect(1, fmt.Sprintf(`one: process %d, in the background since .*\nended .*\ntunneld: .*host key(?s).*\ntunneld: one: no tunnel is running\n$`, pid), "log", "one")
		l.Account.Expect(1, "one: no tunnel is running\ntunneld: hint: `tunneld log one` tells why the last one ended", "status", "one")
		l.Account.Forget()
	})
	t.Run("by a crash", func(t *testing.T) {
		t.Parallel()
		l, _, _ := two(t)
		pid, _ := upInBackground(t, l, "one")
		syscall.Kill(pid, syscall.SIGABRT)
		lab.Eventually(t, lab.Patience, "it has ended", func() bool { return gone(pid) })
		l.Account.Expect(1, `SIGABRT(?s).*goroutine .*main\.`, "log")
		upInBackground(t, l, "one")
		l.Account.Expect(0, "one: stopped", "down", "one")
		l.Account.Expect(1, "^tunneld: no tunnel is running\n", "log")
	})
	t.Run("by a crash, with -E", func(t *testing.T) {
		t.Parallel()
		l, _, _ := two(t)
		pid, _ := upInBackground(t, l, "one", "-E", l.Account.Path("log"))
		syscall.Kill(pid, syscall.SIGABRT)
		lab.Eventually(t, lab.Patience, "it has ended", func() bool { return gone(pid) })
		if text, err := os.ReadFile(l.Account.Path("log")); err != nil || !strings.Contains(string(text), "goroutine ") {
			t.Errorf("the log holds %s, %v", text, err)
		}
	})
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		l, _, _ := two(t)
		pid, _ := upInBackground(t, l, "one")
		follower := l.Account.Tunneld("log", "one", "-f")
		lab.Eventually(t, lab.Patience, "the follower sees it", func() bool { return strings.Contains(follower.Text(), "INF connected") })
		syscall.Kill(pid, syscall.SIGKILL)
		lab.Eventually(t, lab.Patience, "it has ended", func() bool { return gone(pid) })
		if code := follower.WaitExit(t, lab.Patience); code != 1 || strings.Contains(follower.Text(), "stopped") ||
			!strings.Contains(follower.Text(), "it left no word: it was killed, or the machine went down\n") || !strings.Contains(follower.Text(), "tunneld: one: the process has ended without a word\n") {
			t.Errorf("log -f ends with %d:\n%s", code, follower.Text())
		}
		l.Account.Expect(1, "it left no word: it was killed, or the machine went down", "log", "one")
	})
}

// No end is told of a process that lives, and one of several tunnels is found by the name of each.
func TestEndOfOneOfSeveralInTheBackground(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	pid, _ := upInBackground(t, l, "one", "two")
	untrue := func(text string) {
		t.Helper()
		if strings.Contains(text, "killed") || strings.Contains(text, "tells why") {
			t.Errorf("of a process that lives it says\n%s", text)
		}
	}
	l.Account.Expect(0, "one: stopped", "down", "one")
	for _, verb := range []string{"log", "status", "health", "reconnect"} {
		untrue(l.Account.Expect(1, "^tunneld: one: no tunnel of that name is running: stopped \\d+s ago, somebody asked\ntunneld: hint: `tunneld up one` starts it\n$", verb, "one"))
	}

	lab.Check(t, syscall.Kill(pid, syscall.SIGSTOP))
	untrue(l.Account.Expect(1, "the process does not answer", "log", "two"))
	lab.Check(t, syscall.Kill(pid, syscall.SIGKILL))
	lab.Eventually(t, lab.Patience, "it has ended", func() bool { return gone(pid) })
	l.Account.Expect(1, fmt.Sprintf(`^two: process %d, .*\nit left no word: it was killed, or the machine went down\n`, pid), "log", "two")
	l.Account.Expect(1, "tunneld: hint: `tunneld log two` tells why the last one ended", "status", "two")
	untrue(l.Account.Expect(1, "^tunneld: one: no tunnel is running\n", "status", "one"))
	l.Account.Forget()
}

// A tunnel that a reload has begun is among them.
func TestEndOfATunnelThatCameLater(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	l.Configure([2]string{"sx-a", forwardOf(one)})
	pid, _ := upInBackground(t, l, "sx-*")
	l.Configure([2]string{"sx-a", forwardOf(one)}, [2]string{"sx-b", forwardOf(other)})
	l.Account.Expect(0, `(?m)^sx-b: started in .*: up`, "reload", "sx-a")
	lab.Check(t, syscall.Kill(pid, syscall.SIGKILL))
	lab.Eventually(t, lab.Patience, "it has ended", func() bool { return gone(pid) })
	l.Account.Expect(1, fmt.Sprintf(`^sx-a sx-b: process %d, `, pid), "log", "sx-b")
}

// `up -f` that somebody stops before it is in the background has not done what it was asked for.
func TestDownOnTheWayIntoTheBackground(t *testing.T) {
	t.Parallel()
	for format, says := range map[string]string{
		"text": "tunneld: -f: it was stopped on its way into the background\n",
		"json": `"err":"-f: it was stopped on its way into the background","exit_code":1}` + "\n",
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			l, _, _ := two(t)
			l.Relay.Freeze()
			first := l.Account.Tunneld("up", "-f", "-F", l.Account.Path("config"), "one", "--log-format", format)
			lab.Eventually(t, lab.Patience, "it is on its way", func() bool { return len(l.Account.Names()) == 1 })
			l.Account.Expect(0, "one: stopped", "down", "one")
			if code := first.WaitExit(t, lab.Patience); code != 1 || !strings.Contains(first.Text(), says) {
				t.Errorf("exit code %d, it says\n%s", code, first.Text())
			}
			for line := range strings.Lines(first.Text()) {
				if format == "json" && !strings.HasPrefix(line, "{") {
					t.Errorf("no JSON: %s", line)
				}
			}
		})
	}
}

// Who kills the process before it is in the background has the first one say so, as JSON where that is asked for.
func TestKilledOnTheWayIntoTheBackground(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	l.Relay.Freeze()
	first := l.Account.Tunneld("up", "-f", "-F", l.Account.Path("config"), "one", "--log-format", "json")
	lab.Eventually(t, lab.Patience, "it is on its way", func() bool { return len(l.Account.Names()) == 1 })
	lab.ProcessTree(first.Pid()).Below().Signal(syscall.SIGKILL)
	if code := first.WaitExit(t, lab.Patience); code != 1 || !strings.HasSuffix(first.Text(), `"msg":"ended","err":"-f: the process in the background: signal: killed","exit_code":1}`+"\n") {
		t.Errorf("exit code %d, it says\n%s", code, first.Text())
	}
}
