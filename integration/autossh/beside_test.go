package autossh

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/integration/lab"
)

// scene is a command line, what is done to the program that runs it, and where the two programs may differ.
type scene struct {
	// line is variables and words, between blanks; · is a blank within one. {L}, {M}, {D} and {R} are free ports, {P} the first of two,
	// {ECHO} one with an echo server, {MUTE} one that never answers, {TAKEN} one that somebody has, {BEFORE} the one before that, and {DEAD} one that nobody has.
	// A last word that begins with < is what standard input has.
	line string

	// do is what happens: a signal's name; up: wait until {L} carries; again: the same after an outage; cut: reset the connection;
	// hangup: close it; freeze: have nothing come through any more;
	// starts=N, exits=N: wait for so many, of ssh; says=WORD: wait until standard error has it;
	// settle: look what comes; end: wait for the exit; gone: for that of the process in the background.
	do string

	// differs is an aspect and the name of the difference that it shows, such as "log=no child".
	differs string
}

// seen is what can be seen of a run, by aspect: exit, starts, listens, log, ssh, out.
type seen map[string]string

// run is one program in one scene.
type run struct {
	dir     string
	words   []string
	environ []string
	input   string // standard input; empty: there is none
	ports   map[string]int
	relay   *lab.Relay
	settle  time.Duration // how long to look what comes
	cmd     *exec.Cmd
	done    chan struct{}
}

// atOnce is how many runs there are at a time: most of them wait.
const atOnce = 36

// tries is how often both are run until they agree, longer each time: a busy machine can make either late. Those that did not agree
// at once have to do so twice in a row.
const tries = 5

// Both programs go through all scenes at the same sshd, and what can be seen of them is the same, or a difference that is listed.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	lab.Need(t, "autossh", "ssh", "sshd")
	stage := newStage(t)
	known, ofArguments := names(autossh.RunningDifferences()), names(autossh.Differences())
	shown := map[string]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, s := range scenes {
		all.Go(func() {
			problems, names := stage.agree(t, s, places)
			mu.Lock()
			defer mu.Unlock()
			for _, name := range names {
				shown[name] = true
				if !known[name] && !ofArguments[name] {
					t.Errorf("%s: %q is not in the list of differences", s.line, name)
				}
			}
			if len(problems) > 0 {
				t.Errorf("%s (%s)\n%s", s.line, s.do, strings.Join(problems, "\n"))
			}
		})
	}
	all.Wait()
	if len(scenes) < 100 {
		t.Errorf("%d scenes, want at least 100", len(scenes))
	}
	for name := range known {
		if !shown[name] && elsewhere[name] == "" {
			t.Errorf("no scene shows the difference %q", name)
		}
	}
}

// agree plays a scene with both programs until they agree, and returns what differs after the last try, and the differences that it
// shows.
func (s *stage) agree(t *testing.T, c scene, places chan struct{}) (problems, names []string) {
	agreed, wanted := 0, 1
	for try := 1; try <= tries && agreed < wanted; try++ {
		var got [2]seen
		var both sync.WaitGroup
		for i, whose := range []string{"theirs", "ours"} {
			both.Go(func() {
				places <- struct{}{}
				defer func() { <-places }()
				r := s.run(t, c, whose)
				r.settle = time.Duration(try) * settleTime
				got[i] = r.play(c.do)
			})
		}
		both.Wait()
		agreed++
		if problems, names = compare(c, got[0], got[1]); len(problems) > 0 {
			agreed, wanted = 0, 2
			t.Logf("try %d of %s (%s):\n%s", try, c.line, c.do, strings.Join(problems, "\n"))
		}
	}
	if agreed < wanted && len(problems) == 0 {
		problems = []string{"  no two tries in a row agree"}
	}
	return problems, names
}

// elsewhere are differences that no scene can show, and the test that does, as the directory and the function.
var elsewhere = map[string]string{
	"name server":      "integration/autossh TestBackgroundDoesNotWaitForANameServer",
	"floods":           "cmd/tunneld/autossh TestLogOfAFloodIsBoundedAndSummedUp",
	"refusals":         "integration/autossh TestRefusalsOfTheEnvironmentAreSaid",
	"child":            "integration/autossh testBackground",
	"words of ssh":     "integration/autossh testWordsOfSSH",
	"ssh -v":           "integration/autossh TestWhatPeopleLookForInSSHsWords",
	"agent of rscreen": "integration/autossh TestCompanionsStartNoAgent",
	"no syslog":        "integration/autossh TestSyslogThatComesAndGoes",
	"dead link":        "cmd/tunneld TestAutosshAsksTheServerByItself",
	"local ports":      "integration/autossh testHeld",
	"gateway ports":    "integration/autossh TestGatewayPorts",
	"no loop":          "integration/autossh TestServerThatAllowsNoLoop",
	"control path":     "integration/autossh TestControlPath",
	"starts":           "cmd/tunneld TestEarlyStartIsFree",
	"edited forwards":  "integration/recovery TestFollowsMatchExecBetweenTwoNetworks",
	"closed terminal":  "integration/autossh TestSessionEndsWithItsTerminal",
}

// What a list of tests names is there.
func TestElsewhereIsThere(t *testing.T) {
	for difference, place := range elsewhere {
		dir, name, _ := strings.Cut(place, " ")
		files, _ := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
		if !slices.ContainsFunc(files, func(file string) bool { return strings.Contains(string(readFile(file)), "\nfunc "+name+"(") }) {
			t.Errorf("%s: there is no %s", difference, place)
		}
	}
}

func names(list []autossh.Difference) map[string]bool {
	set := map[string]bool{}
	for _, d := range list {
		set[d.Name] = true
	}
	return set
}

// compare returns what differs and is not listed, and the differences that the scene names and shows.
func compare(s scene, theirs, ours seen) (problems, names []string) {
	listed := map[string]string{}
	for _, one := range strings.Split(s.differs, ";") {
		if aspect, name, ok := strings.Cut(strings.TrimSpace(one), "="); ok {
			listed[aspect] = name
		}
	}
	for _, aspect := range slices.Sorted(maps.Keys(theirs)) {
		name, expected := listed[aspect]
		byChance, possible := listed[aspect+"?"] // as with autossh between two starts of ssh
		switch same := theirs[aspect] == ours[aspect]; {
		case same && expected:
			problems = append(problems, fmt.Sprintf("  %s: no difference any more (%s): %s", aspect, name, ours[aspect]))
		case !same && expected:
			names = append(names, name)
		case !same && possible:
			names = append(names, byChance)
		case !same:
			problems = append(problems, fmt.Sprintf("  %s\n    autossh: %s\n    tunneld: %s", aspect, theirs[aspect], ours[aspect]))
		}
	}
	return problems, names
}

// stage is what all runs share.
type stage struct {
	server  *lab.Sshd
	account *lab.Account
	echo    int
	mute    int
	taken   int
	dead    int
	program string   // a link to tunneld
	screens []string // variables of what runs at a newScreenHost
}

// newStage starts a server, with these lines of sshd_config(5), and what forwards lead to.
func newStage(t *testing.T, lines ...string) *stage {
	t.Helper()
	s := &stage{server: lab.StartSSHD(t, lines...), account: lab.NewAccount(t)}
	s.server.Authorize(s.account.Key)
	s.echo = portOf(lab.StartTarget(t, lab.Echo).Address())
	s.mute = portOf(lab.StartTarget(t, func(c *net.TCPConn) {
		c.Read(make([]byte, 1))
		lab.Within(time.Minute, func() bool { return closed(c) })
	}).Address())
	s.dead = lab.FreePort(t)
	s.taken = lab.FreePorts(t, 2) + 1
	for _, host := range []string{"127.0.0.1", "::1"} {
		if l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(s.taken))); err == nil {
			t.Cleanup(func() { l.Close() })
		}
	}
	s.program = filepath.Join(t.TempDir(), "autossh")
	if err := os.Symlink(s.account.Binary(), s.program); err != nil {
		t.Fatal(err)
	}
	return s
}

// closed reports whether the other side has closed.
func closed(c *net.TCPConn) bool {
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := c.Read(make([]byte, 100))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func portOf(address string) int {
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	return n
}

// run prepares a run of one program: its directory, configuration, ports and relay. more are further names in the line, each with
// what stands for it.
func (s *stage) run(t *testing.T, scene scene, whose string, more ...string) *run {
	t.Helper()
	r := &run{dir: t.TempDir(), relay: lab.StartRelay(t, s.server.Address()), settle: settleTime, done: make(chan struct{})}
	r.ports = map[string]int{"ECHO": s.echo, "MUTE": s.mute, "TAKEN": s.taken, "BEFORE": s.taken - 1, "DEAD": s.dead, "SSHD": r.relay.Port}
	replace := append([]string{"·", " ", "{DIR}", r.dir}, more...)
	for name, count := range map[string]int{"L": 1, "M": 1, "D": 1, "R": 1, "P": 2} {
		if strings.Contains(scene.line, "{"+name+"}") { // a port is held until all tests are over
			r.ports[name] = lab.FreePorts(t, count)
		}
	}
	for name, port := range r.ports {
		replace = append(replace, "{"+name+"}", strconv.Itoa(port))
	}
	known := fmt.Sprintf("[127.0.0.1]:%d %s %s", r.relay.Port, s.server.HostKey.Type(), strings.Fields(string(readFile(s.server.Path("host_key.pub"))))[1])
	lab.WriteFile(t, filepath.Join(r.dir, "known_hosts"), known+"\n")
	lab.WriteFile(t, filepath.Join(r.dir, "config"), fmt.Sprintf(`Host server sshproxy
  HostName 127.0.0.1
  Port %d
  User %s
  IdentityFile %s
  IdentitiesOnly yes
  UserKnownHostsFile %s
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
Host dead
  HostName 127.0.0.1
  Port %d
Host mute
  HostName 127.0.0.1
  Port %d
Host nowhere
  HostName nowhere.invalid
`, r.relay.Port, s.account.User, s.account.Path("id_ed25519"), filepath.Join(r.dir, "known_hosts"), s.dead, s.mute))
	r.environ = []string{"HOME=" + r.dir, "PATH=" + os.Getenv("PATH"), "LANG=C", "TUNNELD_RUNTIME_DIR=" + filepath.Join(r.dir, "run"),
		"AUTOSSH_PIDFILE=" + filepath.Join(r.dir, "pid"), "GORACE=atexit_sleep_ms=0"}
	if !strings.Contains(scene.line, "AUTOSSH_LOGFILE=") {
		r.environ = append(r.environ, "AUTOSSH_LOGFILE="+filepath.Join(r.dir, "log"))
	}
	r.words = []string{s.program}
	if whose == "theirs" {
		r.words = []string{"autossh"}
	}
	hosts := regexp.MustCompile(`(^| )(server|sshproxy|dead|mute|nowhere)( |$)`)
	if hosts.MatchString(scene.line) {
		r.words = append(r.words, "-F", filepath.Join(r.dir, "config"))
	}
	replacer := strings.NewReplacer(replace...)
	for _, word := range strings.Fields(scene.line) {
		plain := replacer.Replace(strings.ReplaceAll(word, "·", " "))
		if text, ok := strings.CutPrefix(plain, "<"); ok {
			r.input = text + "\n"
		} else if strings.HasPrefix(word, "AUTOSSH_") && strings.Contains(word, "=") {
			r.environ = append(r.environ, plain)
		} else {
			r.words = append(r.words, plain)
		}
	}
	return r
}

func readFile(path string) []byte {
	data, _ := os.ReadFile(path)
	return data
}

const (
	runPatience = lab.Patience
	settleTime  = 600 * time.Millisecond // after the last step, for what should not happen; at the first try
)

// play runs the program through the steps and returns what was seen.
func (r *run) play(do string) seen {
	if err := r.start(); err != nil {
		return seen{"exit": err.Error()}
	}
	defer r.clean()
	for _, step := range strings.Fields(do) {
		if trouble := r.step(step); trouble != "" {
			result := r.look()
			result["exit"] += ", " + trouble
			return result
		}
	}
	return r.look()
}

// start runs the program without a terminal.
func (r *run) start() error {
	out, _ := os.Create(filepath.Join(r.dir, "out"))
	errs, _ := os.Create(filepath.Join(r.dir, "err"))
	defer out.Close()
	defer errs.Close()
	r.cmd = exec.Command(r.words[0], r.words[1:]...)
	r.cmd.Env, r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = r.environ, r.dir, out, errs
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if r.input != "" {
		r.cmd.Stdin = strings.NewReader(r.input)
	}
	if err := r.cmd.Start(); err != nil {
		return err
	}
	go func() { r.cmd.Wait(); close(r.done) }()
	return nil
}

func (r *run) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

var signals = map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "QUIT": syscall.SIGQUIT,
	"ABRT": syscall.SIGABRT}

// step returns what went wrong.
func (r *run) step(step string) (trouble string) {
	ok := true
	name, number, _ := strings.Cut(step, "=")
	switch name {
	case "up", "again":
		ok = lab.Within(runPatience, r.carries)
	case "cut":
		r.relay.Cut()
		lab.Within(r.settle, func() bool { return false })
	case "hangup":
		r.relay.HangUp()
	case "freeze":
		r.relay.Freeze()
	case "starts":
		n, _ := strconv.Atoi(number)
		ok = lab.Within(runPatience, func() bool { return r.starts() >= n })
	case "exits": // of ssh, with the decision to start it again
		n, _ := strconv.Atoi(number)
		ok = lab.Within(runPatience, func() bool { return strings.Count(r.log(), "; restarting ssh") >= n })
	case "says":
		ok = lab.Within(runPatience, func() bool { return strings.Contains(string(readFile(filepath.Join(r.dir, "err"))), number) })
	case "end":
		ok = lab.Within(2*runPatience, r.ended)
	case "gone":
		ok = lab.Within(runPatience, func() bool { return r.ended() && !r.lives() })
	case "settle":
		lab.Within(r.settle, func() bool { return false })
	default:
		ok = syscall.Kill(r.pid(), signals[name]) == nil
	}
	if !ok {
		return "no " + step
	}
	return ""
}

// pid returns the number in the pid file, or that of the process itself.
func (r *run) pid() int {
	text := strings.TrimSpace(string(readFile(filepath.Join(r.dir, "pid"))))
	if n, err := strconv.Atoi(text); err == nil && n > 1 {
		return n
	}
	return r.cmd.Process.Pid
}

func (r *run) lives() bool {
	return lab.Lives(r.pid())
}

// carries reports whether a connection through {L} reaches the echo server.
func (r *run) carries() bool {
	conn, err := net.Dial("tcp", lab.Loopback(r.ports["L"]))
	if err != nil {
		return false
	}
	defer conn.Close()
	return lab.Exchange(conn, "x\n", 2*time.Second) == nil
}

func (r *run) log() string { return string(readFile(filepath.Join(r.dir, "log"))) }

func (r *run) starts() int { return strings.Count(r.log(), "starting ssh (count ") }

// clean ends what is left.
func (r *run) clean() {
	tree := slices.Concat(lab.ProcessTree(r.pid()), lab.ProcessTree(r.cmd.Process.Pid))
	tree.Signal(syscall.SIGTERM)
	if !lab.Within(2*time.Second, func() bool { return r.ended() && !lab.Lives(r.pid()) }) {
		tree.Signal(syscall.SIGKILL)
	}
	<-r.done
	r.relay.Cut()
}

// look returns what can be seen now.
func (r *run) look() seen {
	s := seen{}
	switch {
	case !r.ended():
		s["exit"] = "runs"
	case r.lives():
		s["exit"] = fmt.Sprintf("exit %d, runs", r.cmd.ProcessState.ExitCode())
	default:
		s["exit"] = fmt.Sprintf("exit %d", r.cmd.ProcessState.ExitCode())
		if _, err := os.Stat(filepath.Join(r.dir, "pid")); err == nil {
			s["exit"] += ", leaves its pid file"
		}
	}
	s["starts"] = strconv.Itoa(r.starts())
	var listens []string
	for _, name := range []string{"L", "M", "D", "R", "P"} {
		if p := r.ports[name]; p != 0 && lab.Accepts(lab.Loopback(p)) {
			listens = append(listens, name)
		}
	}
	if p := r.ports["P"]; p != 0 && lab.Accepts(lab.Loopback(p+1)) {
		listens = append(listens, "P+1")
	}
	s["listens"] = strings.Join(listens, " ")
	s["log"] = r.said()
	s["ssh"] = sshSaid(string(readFile(filepath.Join(r.dir, "err"))))
	s["out"] = r.printed()
	return s
}

// printed is standard output as far as it is not about versions.
func (r *run) printed() string {
	text := string(readFile(filepath.Join(r.dir, "out")))
	if strings.HasPrefix(text, "autossh 1.4g") {
		return "autossh 1.4g"
	}
	return text
}

// autosshSays are the beginnings of autossh's messages that say what happened, at the level that it logs at by itself.
var autosshSays = regexp.MustCompile(`^(starting ssh|ssh exited|max start|exceeded|received signal|signalled|port set to 0|port down|timeout polling|short poll|poll time|first poll time)`)

// said is what autossh's log says, without what differs from run to run. Lines that follow each other alike are one.
func (r *run) said() string {
	var lines []string
	for line := range strings.Lines(r.log()) {
		_, text, ok := strings.Cut(line, "]: ")
		if text = strings.TrimSpace(text); !ok || !autosshSays.MatchString(text) {
			continue
		}
		if len(lines) == 0 || lines[len(lines)-1] != text {
			lines = append(lines, text)
		}
	}
	return strings.Join(lines, " | ")
}

// sshWords are what people know from ssh.
var sshWords = []string{
	"Connection refused", "Permission denied (", "Host key verification failed.", "Could not resolve hostname",
	"remote port forwarding failed for listen port", "Could not request local forwarding.", "cannot listen to port", "usage:",
	"Pseudo-terminal will not be allocated",
}

func sshSaid(text string) string {
	var found []string
	for _, words := range sshWords {
		if strings.Contains(text, words) {
			found = append(found, words)
		}
	}
	return strings.Join(found, " | ")
}
