package autossh

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// ownDev makes a /dev that only what is started in this mount namespace sees, so that a syslog daemon can have /dev/log.
const ownDev = `set -e
mkdir dev
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do touch dev/$device; mount --bind /dev/$device dev/$device; done
mkdir dev/pts dev/shm
mount --rbind /dev/pts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount --rbind dev /dev
echo ready
exec sleep infinity`

// logHost is a mount namespace with a syslog daemon of its own, busybox's.
type logHost struct {
	t      *testing.T
	dir    string
	inside []string // words that begin a command in the namespace
	dev    string   // its /dev, for those outside
	daemon *lab.Child
}

func newLogHost(t *testing.T) *logHost {
	t.Helper()
	lab.NeedRoot(t, "a /dev/log of its own")
	lab.Need(t, "busybox", "unshare", "nsenter")
	h := &logHost{t: t, dir: t.TempDir()}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("syslog has\n%s", lab.Tail(h.messages(), 60))
		}
	})
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", ownDev)
	cmd.Dir = h.dir
	holder := lab.StartChild(t, "mounts", cmd)
	lab.Eventually(t, lab.Patience, "a /dev of its own", func() bool { return !holder.Running() || strings.Contains(holder.Text(), "ready") })
	if !holder.Running() {
		t.Skipf("mounts cannot be made here: %s", holder.Output())
	}
	h.dev = fmt.Sprintf("/proc/%d/root/dev", holder.Pid())
	h.inside = []string{"nsenter", "--mount", "--target", fmt.Sprint(holder.Pid()), "--"}
	return h
}

// start runs the daemon until it takes messages.
func (h *logHost) start() {
	h.t.Helper()
	words := append(slices.Clone(h.inside), "busybox", "syslogd", "-n", "-O", filepath.Join(h.dir, "messages"))
	h.daemon = lab.StartChild(h.t, "syslogd", exec.Command(words[0], words[1:]...))
	said := len(h.messages())
	words = append(slices.Clone(h.inside), "busybox", "logger", "-t", "test", "hello")
	lab.Eventually(h.t, lab.Patience, "syslogd takes messages", func() bool {
		exec.Command(words[0], words[1:]...).Run() // until it listens
		return strings.Contains(h.messages()[said:], "hello")
	})
}

func (h *logHost) messages() string { return string(readFile(filepath.Join(h.dir, "messages"))) }

// run prepares a run that logs to the daemon.
func (h *logHost) run(s *stage, line, whose string) *run {
	h.t.Helper()
	r := s.run(h.t, scene{line: line}, whose)
	r.words = append(slices.Clone(h.inside), r.words...)
	r.environ = slices.DeleteFunc(r.environ, func(v string) bool { return strings.HasPrefix(v, "AUTOSSH_LOGFILE=") })
	return r
}

// settle waits until all that was sent before has been written.
func (h *logHost) settle() {
	h.t.Helper()
	mark := fmt.Sprintf("mark %d", len(h.messages()))
	words := append(slices.Clone(h.inside), "busybox", "logger", "-t", "test", mark)
	lab.Check(h.t, exec.Command(words[0], words[1:]...).Run())
	lab.Eventually(h.t, lab.Patience, "syslogd has written all", func() bool { return strings.Contains(h.messages(), mark) })
}

// entry is a line of busybox's syslogd: time, host, facility and priority, ident and process, text.
var entry = regexp.MustCompile(`(?m)^... .. ..:..:.. \S+ (\S+) (\S+)\[(\d+)\]: (.*)$`)

// say are the messages of a process, each with its facility and priority.
func (h *logHost) say(pid int) (list []string) {
	for _, m := range entry.FindAllStringSubmatch(h.messages(), -1) {
		if m[2] == "autossh" && m[3] == fmt.Sprint(pid) {
			list = append(list, m[1]+" "+own.ReplaceAllString(m[4], "${1}N"))
		}
	}
	return list
}

// own are the numbers that differ from run to run: those of processes, and ports. Seconds, counts and statuses do not.
var own = regexp.MustCompile(`(child pid is |on child |child of |127\.0\.0\.1:|port |ssh\[)\d+`)

// ofChildren are messages of an autossh that has a child and one alarm for all, and that tests a child which is not ready yet.
var ofChildren = regexp.MustCompile(`^user\.(debug (expired child|clear alarm|set alarm)|info [0-9.]+:N: Connection refused)`)

// sixTimes waits until syslog has it that ssh has ended six times.
const sixTimes = "six times"

// A real syslog daemon gets from us what it gets from autossh: ident, process, facility, priority and words.
func TestSyslogHasTheSameLines(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "ssh", "autossh")
	s, h := newStage(t), newLogHost(t)
	h.start()
	for _, c := range []struct{ line, do, want string }{
		{"AUTOSSH_LOGLEVEL=7 AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=7 AUTOSSH_POLL=1000 -M 0 -N dead", "end", "user.debug sleeping for grace time 3 secs"},
		{"-M 0 -N dead", "end", "user.err ssh exited prematurely with status 255; autossh exiting"},
		{"-M 0 -N " + forward + " server", "up USR1 settle again TERM end", "user.info received signal to exit (15)"},
		{"AUTOSSH_POLL=20 AUTOSSH_MAXSTART=2 AUTOSSH_FIRST_POLL=6 -M {P}:{DEAD} -N " + forward + " server", "up end", "user.info port down, restarting ssh"},
		{"AUTOSSH_GATETIME=0 -M 0 -N dead", sixTimes + " TERM end", "user.info ssh exited with error status 255; restarting ssh"},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			said := map[string][]string{}
			for _, whose := range []string{"theirs", "ours"} {
				r := h.run(s, c.line, whose)
				lab.Check(t, r.start())
				t.Cleanup(r.clean)
				do, waits := strings.CutPrefix(c.do, sixTimes) // from then on both wait before they start ssh
				lab.Eventually(t, lab.Patience, "ssh has ended six times", func() bool {
					return !waits || strings.Count(strings.Join(h.say(r.cmd.Process.Pid), "\n"), c.want) == 6
				})
				r.do(t, do)
				h.settle()
				said[whose] = h.say(r.cmd.Process.Pid) // nsenter became it, and so did the wrapper
			}
			if !slices.Contains(said["theirs"], c.want) {
				t.Errorf("autossh did not say %q: %q", c.want, said["theirs"])
			}
			for _, text := range said["theirs"] {
				if !slices.Contains(said["ours"], text) && !ofChildren.MatchString(text) {
					t.Errorf("autossh says %q, and we do not:\n%s", text, strings.Join(said["ours"], "\n"))
				}
			}
		})
	}
}

// AUTOSSH_DEBUG copies to standard error what goes to syslog, and nothing else does while there is a syslog daemon; a log file gets it
// all alone.
func TestDebugCopiesTheLog(t *testing.T) {
	t.Parallel()
	lab.Need(t, "ssh", "autossh")
	s, h := newStage(t), newLogHost(t)
	h.start()
	for name, c := range map[string]struct {
		line   string
		copied bool
	}{
		"AUTOSSH_DEBUG": {"AUTOSSH_DEBUG=1", true}, "AUTOSSH_DEBUG without a value": {"AUTOSSH_DEBUG= AUTOSSH_LOGLEVEL=3", true}, "a level alone": {"AUTOSSH_LOGLEVEL=7", false},
		"a file": {"AUTOSSH_DEBUG=1 AUTOSSH_LOGFILE={DIR}/log", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			copies := map[string][]string{}
			for _, whose := range []string{"theirs", "ours"} {
				r := h.run(s, c.line+" AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -N dead", whose)
				if name == "a file" {
					r.environ = append(r.environ, "AUTOSSH_LOGFILE="+filepath.Join(r.dir, "log"))
				}
				lab.Check(t, r.start())
				t.Cleanup(r.clean)
				r.exits(t, 0)
				h.settle()
				head := fmt.Sprintf("autossh[%d]: ", r.cmd.Process.Pid)
				for line := range strings.Lines(r.file("err")) {
					if text, ok := strings.CutPrefix(line, head); ok {
						copies[whose] = append(copies[whose], own.ReplaceAllString(strings.TrimRight(text, "\n"), "${1}N"))
					}
				}
				for _, text := range h.say(r.cmd.Process.Pid) {
					_, text, _ = strings.Cut(text, " ")
					if c.copied && !slices.Contains(copies[whose], text) && !strings.Contains(text, "Connection refused") {
						t.Errorf("%s: %q went to syslog alone", whose, text)
					}
				}
			}
			for _, text := range copies["theirs"] {
				if !slices.Contains(copies["ours"], text) && !ofChildren.MatchString("user.debug "+text) {
					t.Errorf("autossh copies %q, and we do not: %q", text, copies["ours"])
				}
			}
			if got := len(copies["ours"]) > 0; got != c.copied || len(copies["theirs"]) > 0 != c.copied {
				t.Errorf("copied: %v, by autossh %v", got, len(copies["theirs"]) > 0)
			}
		})
	}
}

// The daemon that is frozen, dies and comes back costs messages and nothing else.
func TestSyslogThatComesAndGoes(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s, h := newStage(t), newLogHost(t)
	r := h.run(s, "AUTOSSH_LOGLEVEL=7 AUTOSSH_POLL=10 AUTOSSH_GATETIME=0 -f -M 0 -N "+forward+" server", "ours")
	lab.Check(t, r.start()) // before there is any
	t.Cleanup(r.clean)
	r.do(t, "end up")
	if text := r.file("err"); !strings.Contains(text, "monitoring disabled") {
		t.Errorf("without a daemon standard error has %q", text)
	}
	again := "signalled to kill and restart ssh"
	told := func(what string, more int) {
		t.Helper()
		before := strings.Count(h.messages(), again)
		for range more {
			r.do(t, "USR1 again")
		}
		lab.Eventually(t, lab.Patience, what, func() bool { return strings.Count(h.messages(), again) > before })
	}
	h.start()
	told("the daemon that came later has its lines", 1)
	h.daemon.Kill()
	r.do(t, "USR1 again cut again")
	h.start()
	told("the daemon that came back has them", 1)
	h.daemon.Signal(syscall.SIGSTOP)
	for range 4 {
		r.do(t, "USR1 again") // more than the socket holds; nobody waits for each of its messages
	}
	h.daemon.Signal(syscall.SIGCONT)
	told("the daemon that was frozen has them", 1)
	h.daemon.Kill()
	lab.Check(t, os.Remove(filepath.Join(h.dir, "messages")))
	r.do(t, "cut again TERM gone")
}

// On a socket that is a stream a message ends as those of autossh do, which are glibc's.
func TestSyslogOverAStream(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "ssh", "autossh")
	s, h := newStage(t), newLogHost(t)
	daemon, err := net.Listen("unix", h.dev+"/log")
	lab.Check(t, err)
	t.Cleanup(func() { daemon.Close() })
	came := make(chan string, 10)
	go func() {
		for {
			conn, err := daemon.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(conn)
			conn.Close()
			came <- string(text)
		}
	}()
	head := regexp.MustCompile(`(^|\x00)(<\d+>)... .. ..:..:.. autossh\[\d+\]: `)
	var said [2]string
	for i, whose := range []string{"theirs", "ours"} {
		r := h.run(s, "-M 0 -N nowhere", whose)
		lab.Check(t, r.start())
		t.Cleanup(r.clean)
		r.do(t, "end")
		text := head.ReplaceAllString(lab.Receive(t, came), "$1$2")
		said[i] = regexp.MustCompile(`pid is \d+`).ReplaceAllString(text, "pid is N")
	}
	const last = "\x00<11>ssh exited prematurely with status 255; autossh exiting\x00"
	if !strings.HasSuffix(said[0], last) || !strings.HasSuffix(said[1], last) || strings.Count(said[0], "\x00") > strings.Count(said[1], "\x00") {
		t.Errorf("autossh sends %q,\n      we send %q", said[0], said[1])
	}
}

// -y of `up` sends to the daemon what stands on standard error else, why it ended among it.
func TestUpWritesToSyslog(t *testing.T) {
	t.Parallel()
	h, l := newLogHost(t), lab.New(t)
	h.start()
	up := func(more ...string) *lab.Child {
		words := append(slices.Clone(h.inside), l.Account.Binary(), "up", "-y", lab.Alias, "-F", l.Account.Path("config"), "-D", lab.Loopback(lab.FreePort(t)))
		return l.Account.Run(lab.Tunneld, append(words, more...))
	}
	says := func(c *lab.Child, priority, text string) {
		t.Helper()
		pattern := regexp.MustCompile(fmt.Sprintf(`(?m) %s tunneld\[%d\]: .*%s`, regexp.QuoteMeta(priority), c.Pid(), text))
		if !lab.Within(lab.Patience, func() bool { return pattern.MatchString(h.messages()) }) {
			t.Errorf("syslog has no %s", pattern)
		}
	}
	c := up()
	says(c, "user.info", "msg=connected ")
	c.Signal(syscall.SIGTERM)
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
	says(c, "user.info", "msg=stopping ")
	refused := up("-o", "UserKnownHostsFile=/dev/null")
	if code := refused.WaitExit(t, lab.Patience); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	says(refused, "user.err", "host key")
	says(refused, "user.err", "hint: ")
	if said := c.Text() + refused.Text(); said != "" {
		t.Errorf("standard error has %q", said)
	}
}
