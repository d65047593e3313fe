package autossh

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// begin starts tunneld under autossh's name with a line as in a scene, and ends it with the test.
func (s *stage) begin(t *testing.T, line string, change ...func(*run)) *run {
	t.Helper()
	r := s.run(t, scene{line: line}, "ours")
	for _, c := range change {
		c(r)
	}
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.clean()
		if t.Failed() {
			t.Logf("%q said\n%s%s%s", r.words, readFile(filepath.Join(r.dir, "out")), readFile(filepath.Join(r.dir, "err")), r.log())
		}
	})
	return r
}

// do goes through steps.
func (r *run) do(t *testing.T, steps string) *run {
	t.Helper()
	for _, step := range strings.Fields(steps) {
		if trouble := r.step(step); trouble != "" {
			t.Fatalf("%s of %q", trouble, steps)
		}
	}
	return r
}

func (r *run) file(name string) string { return string(readFile(filepath.Join(r.dir, name))) }

// exits waits for the end of the process that was started, and checks its exit code.
func (r *run) exits(t *testing.T, code int) {
	t.Helper()
	r.do(t, "end")
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
}

// What people have in their scripts, units and cron lines, as they wrote it.
func TestSetUps(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	for name, test := range map[string]func(*testing.T, *stage){
		"SOCKS proxy": testSOCKS, "background with an identity": testBackground, "a shell with AUTOSSH_PORT": testShell, "gate 0": testGate,
		"echo service": testEchoService, "terminal": testTerminal, "agent wrapper": testAgentWrapper, "start without HOME": testWithoutHome,
		"Upstart": testUpstart, "cron": testCron, "rc.local": testRCLocal, "su": testSu, "tunneld autossh": testSubcommand, "agent at the server": testAgentForwarded, "end of the terminal": testHangUp, "passphrase before the background": testPassphrase,
		"side by side without a control directory": testTwins, "clients are held": testHeld, "signals while it waits": testProd,
		"monitor ports": testMonitorPorts, "stale pid file": testStalePIDFile,
		"refusal": testRefusal, "what ssh would have said": testWordsOfSSH,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

func testSOCKS(t *testing.T, s *stage) {
	r := s.begin(t, "-M64000 -q -N -D localhost:{D} sshproxy")
	way := lab.Route{Name: "D", Network: "tcp", Address: lab.Loopback(r.ports["D"]), Agree: lab.Socks5(lab.Loopback(s.echo))}
	lab.Eventually(t, lab.Patience, "the proxy carries", func() bool { return way.Works(time.Second) == nil })
	if text := r.file("err"); strings.Contains(text, "ssh") {
		t.Errorf("in spite of -q it says %s", text)
	}
}

func testBackground(t *testing.T, s *stage) {
	key := s.account.Path("id_ed25519")
	r := s.begin(t, "-f -M 0 -N -g -o ServerAliveInterval·60 -i "+key+" -L {L}:127.0.0.1:{ECHO} -F {DIR}/config "+s.account.User+"@server")
	r.exits(t, 0)
	if r.pid() == r.cmd.Process.Pid {
		t.Fatal("the first process has ended before the pid file was written")
	}
	if name := string(readFile(fmt.Sprintf("/proc/%d/comm", r.pid()))); strings.TrimSpace(name) != "autossh" {
		t.Errorf("ps calls it %q", name)
	}
	for _, words := range [][]string{{"pgrep", "-x", "autossh"}, {"ps", "-C", "autossh", "-o", "pid="}, {"pidof", "autossh"}, {"killall", "-v", "-0", "autossh"}} {
		if _, err := lab.FindProgram(words[0]); err != nil {
			t.Logf("%s is not installed", words[0])
			continue
		}
		out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		if number := regexp.MustCompile(fmt.Sprintf(`\b%d\b`, r.pid())); !number.Match(out) {
			t.Errorf("%q finds %q, %v, and not process %d", words, out, err, r.pid())
		}
	}
	words := strings.Split(string(readFile(fmt.Sprintf("/proc/%d/cmdline", r.pid()))), "\x00")
	if filepath.Base(words[0]) != "autossh" || words[1] != "-f" {
		t.Errorf("its command line is %q", words)
	}
	if !strings.Contains(r.log(), fmt.Sprintf("ssh child pid is %d", r.pid())) {
		t.Errorf("the child in the log is another than process %d:\n%s", r.pid(), r.log())
	}
	r.do(t, "up cut again TERM gone")
	if _, err := os.Stat(filepath.Join(r.dir, "pid")); err == nil {
		t.Error("the pid file is left")
	}
}

func testShell(t *testing.T, s *stage) {
	r := s.begin(t, "AUTOSSH_PORT={P} AUTOSSH_GATETIME=0 server", func(r *run) { r.input = "echo from the $((40+2))nd shell\n" })
	r.exits(t, 0)
	if text := r.file("out"); !strings.Contains(text, "from the 42nd shell") {
		t.Errorf("it printed %q", text)
	}
}

func testGate(t *testing.T, s *stage) {
	s.begin(t, "AUTOSSH_GATETIME=0 -M 0 -N dead").do(t, "starts=6")
	s.begin(t, "-M 0 -N dead").exits(t, 1)
}

func testEchoService(t *testing.T, s *stage) {
	heard := make(chan string, 10)
	service := lab.StartTarget(t, func(c *net.TCPConn) {
		line := make([]byte, 200)
		n, _ := c.Read(line)
		heard <- string(line[:n])
		c.Write(line[:n])
		io.Copy(io.Discard, c)
	})
	r := s.begin(t, fmt.Sprintf("AUTOSSH_POLL=8 AUTOSSH_FIRST_POLL=2 AUTOSSH_MESSAGE=hello·there -M {P}:%d -N -L {L}:127.0.0.1:{ECHO} server", portOf(service.Address())))
	node, _ := os.Hostname()
	line := lab.Receive(t, heard)
	want := fmt.Sprintf(`^%s autossh %d [0-9]+ hello there\r\n$`, regexp.QuoteMeta(node), r.pid())
	if !regexp.MustCompile(want).MatchString(line) {
		t.Errorf("the test line is %q, want %s", line, want)
	}
	if lab.Receive(t, heard) == line {
		t.Error("two tests have sent the same")
	}
}

// typescript runs words on a terminal of its own.
func typescript(r *run) {
	words := strings.Join(r.words, "' '")
	r.words = []string{"script", "-qec", "exec '" + words + "'", "/dev/null"}
}

func testTerminal(t *testing.T, s *stage) {
	lab.Need(t, "script")
	r := s.begin(t, "AUTOSSH_GATETIME=0 -M 0 -t server tty&&stty·size", typescript)
	r.exits(t, 0)
	if text := r.file("out"); !strings.Contains(text, "/dev/pts/") {
		t.Errorf("it printed %q", text)
	}
}

// The script that comes with autossh: an agent, a key, a reverse forward.
func testAgentWrapper(t *testing.T, s *stage) {
	lab.Need(t, "ssh-agent", "ssh-add")
	r := s.begin(t, "-2 -fN -M {P} -o IdentitiesOnly=no -o IdentityFile=none -L {L}:127.0.0.1:{ECHO} -R {R}:127.0.0.1:{ECHO} server", func(r *run) {
		script := `#!/bin/sh
if [ "X$SSH_AUTH_SOCK" = "X" ]; then
	eval "$(ssh-agent -s)"
	ssh-add -q ` + s.account.Path("id_ed25519") + `
fi
AUTOSSH_GATETIME=30
AUTOSSH_DEBUG=yes
export AUTOSSH_GATETIME AUTOSSH_DEBUG
echo $SSH_AGENT_PID >agent
` + r.quoted() + "\n"
		lab.WriteFile(t, filepath.Join(r.dir, "wrapper"), script)
		r.words = []string{"sh", filepath.Join(r.dir, "wrapper")}
	})
	t.Cleanup(func() {
		if pid, err := strconv.Atoi(strings.TrimSpace(r.file("agent"))); err == nil {
			syscall.Kill(pid, syscall.SIGTERM)
		}
	})
	r.do(t, "end up")
	lab.Eventually(t, lab.Patience, "the reverse forward listens", func() bool { return lab.Accepts(lab.Loopback(r.ports["R"])) })
}

// boot is the environment of a job that the machine starts, beside what tells us where files belong.
func (r *run) boot(variables ...string) {
	r.environ = append(variables, "AUTOSSH_PIDFILE="+filepath.Join(r.dir, "pid"), "AUTOSSH_LOGFILE="+filepath.Join(r.dir, "log"), "GORACE=atexit_sleep_ms=0")
}

// quoted returns the words for a shell.
func (r *run) quoted() string { return "'" + strings.Join(r.words, "' '") + "'" }

// A unit or job at boot has hardly an environment.
func testWithoutHome(t *testing.T, s *stage) {
	s.begin(t, "-M 0 -N -L {L}:127.0.0.1:{ECHO} server", func(r *run) { r.boot() }).do(t, "up")
}

// Upstart's `env AUTOSSH_GATETIME=0`, `expect fork` and `exec autossh -f ...`: from /, without HOME, USER or a terminal.
func testUpstart(t *testing.T, s *stage) {
	r := s.begin(t, "-f -M 0 -N -L {L}:127.0.0.1:{ECHO} server", func(r *run) {
		r.boot("AUTOSSH_GATETIME=0", "UPSTART_JOB=autossh", "TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin")
		r.words = []string{"sh", "-c", "cd / && exec " + r.quoted() + " </dev/null >/dev/null 2>&1"}
	})
	r.exits(t, 0)
	r.do(t, "up cut again TERM gone")
}

// cron's `@reboot autossh -f ...`: it runs the line with a pipe, and waits until nobody has that any more.
func testCron(t *testing.T, s *stage) {
	r := s.begin(t, "-f -M {P} -N -L {L}:127.0.0.1:{ECHO} server", func(r *run) {
		r.boot("HOME="+r.dir, "LOGNAME="+s.account.User, "PATH=/usr/bin:/bin", "SHELL=/bin/sh", "AUTOSSH_GATETIME=0")
		r.words = []string{"sh", "-c", "sh -c \"" + r.quoted() + "\" 2>&1 | cat >mail"}
	})
	r.do(t, "end up cut again")
	if text := r.file("mail"); strings.Contains(text, "autossh") {
		t.Errorf("cron sends mail: %s", text)
	}
}

// rc.local is a shell with -e that goes on with the next line, and whose output nobody reads.
func testRCLocal(t *testing.T, s *stage) {
	r := s.begin(t, "-f -M 0 -N -L {L}:127.0.0.1:{ECHO} server", func(r *run) {
		r.boot("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
		lab.WriteFile(t, filepath.Join(r.dir, "rc.local"), "#!/bin/sh -e\n"+r.quoted()+"\necho done >done\nexit 0\n")
		r.words = []string{"sh", "-e", filepath.Join(r.dir, "rc.local")}
	})
	r.exits(t, 0)
	if r.file("done") != "done\n" {
		t.Error("the rest of rc.local was not run")
	}
	r.do(t, "up cut again")
}

func testSu(t *testing.T, s *stage) {
	lab.NeedRoot(t, "su")
	for _, option := range []string{"", "-m ", "- "} {
		s.begin(t, "-f -M 0 -N -L {L}:127.0.0.1:{ECHO} server", func(r *run) {
			variables := fmt.Sprintf("AUTOSSH_PIDFILE=%s/pid AUTOSSH_LOGFILE=%s/log ", r.dir, r.dir)
			r.words = append(strings.Fields("su "+option+s.account.User+" -c"), variables+r.quoted())
		}).do(t, "end up")
	}
}

// Where the program has no link of autossh's name.
func testSubcommand(t *testing.T, s *stage) {
	for _, flag := range []string{"", "-f "} {
		r := s.begin(t, "AUTOSSH_GATETIME=0 "+flag+"-M 0 -N -L {L}:127.0.0.1:{ECHO} server", func(r *run) {
			r.words = append([]string{s.account.Binary(), "autossh"}, r.words[1:]...)
		}).do(t, "up cut again")
		if want := fmt.Sprintf(" autossh[%d]: starting ssh (count 2)\n", r.pid()); !strings.Contains(r.log(), want) {
			t.Errorf("the log lacks %q:\n%s", want, r.log())
		}
		r.do(t, "TERM gone")
	}
}

func testAgentForwarded(t *testing.T, s *stage) {
	lab.Need(t, "ssh-agent", "ssh-add")
	for flag, want := range map[string]bool{"-A": true, "-a": false} {
		r := s.begin(t, "-M 0 "+flag+" -o IdentitiesOnly=no server ssh-add -L", func(r *run) {
			r.words = []string{"ssh-agent", "sh", "-c", "ssh-add -q " + s.account.Path("id_ed25519") + " && exec " + r.quoted()}
		})
		r.do(t, "end")
		key := strings.Fields(string(readFile(s.account.Path("id_ed25519.pub"))))[1]
		if got := strings.Contains(r.file("out"), key); got != want {
			t.Errorf("%s: the key is at the server: %v", flag, got)
		}
	}
}

func testHangUp(t *testing.T, s *stage) {
	lab.Need(t, "script")
	r := s.begin(t, "AUTOSSH_GATETIME=0 -M 0 -N -L {L}:127.0.0.1:{ECHO} server", typescript)
	r.do(t, "up")
	syscall.Kill(r.cmd.Process.Pid, syscall.SIGKILL)
	r.do(t, "end settle again cut again")
}

func testPassphrase(t *testing.T, s *stage) {
	lab.Need(t, "ssh-keygen")
	own := *s
	own.account = lab.NewAccount(t)
	s.server.Authorize(own.account.Key)
	own.account.Encrypt()
	r := own.begin(t, "-f -M 0 -N -o BatchMode=no -L {L}:127.0.0.1:{ECHO} server", func(r *run) {
		askpass := filepath.Join(r.dir, "askpass")
		lab.WriteFile(t, askpass, "#!/bin/sh\necho asked >>"+r.dir+"/asked\necho "+lab.Secret+"\n")
		os.Chmod(askpass, 0o700)
		r.environ = append(r.environ, "SSH_ASKPASS="+askpass, "SSH_ASKPASS_REQUIRE=force")
		config := strings.ReplaceAll(string(readFile(filepath.Join(r.dir, "config"))), "BatchMode yes", "")
		lab.WriteFile(t, filepath.Join(r.dir, "config"), config)
	})
	r.exits(t, 0)
	if r.file("asked") != "asked\n" {
		t.Errorf("when the person's shell goes on it has asked %q", r.file("asked"))
	}
	r.do(t, "up cut again")
	if r.file("asked") != "asked\n" {
		t.Errorf("it has asked again: %q", r.file("asked"))
	}
	if strings.Contains(r.log(), lab.Secret) {
		t.Error("the passphrase is in the log")
	}
}

func testTwins(t *testing.T, s *stage) {
	nowhere := func(r *run) {
		r.environ = append(r.environ, "TUNNELD_RUNTIME_DIR=/proc/nowhere", "XDG_RUNTIME_DIR=/proc/nowhere")
	}
	for range 3 {
		s.begin(t, "-M {P} -N -L {L}:127.0.0.1:{ECHO} server", nowhere).do(t, "up")
	}
	shared := t.TempDir()
	together := func(r *run) { r.environ = append(r.environ, "TUNNELD_RUNTIME_DIR="+shared) }
	for range 3 {
		s.begin(t, "-M 0 -N -L {L}:127.0.0.1:{ECHO} server", together).do(t, "up")
	}
	if sockets, _ := filepath.Glob(shared + "/server*.sock"); len(sockets) != 3 {
		t.Errorf("control sockets: %q", sockets)
	}
}

func testHeld(t *testing.T, s *stage) {
	r := s.begin(t, "AUTOSSH_GATETIME=0 -M 0 -N -L {L}:127.0.0.1:{ECHO} server").do(t, "up")
	r.relay.Shut()
	r.relay.Cut()
	answered := make(chan error, 1)
	go func() {
		conn, err := net.Dial("tcp", lab.Loopback(r.ports["L"]))
		if err == nil {
			err = lab.Exchange(conn, "held\n", lab.Patience)
			conn.Close()
		}
		answered <- err
	}()
	lab.Eventually(t, lab.Patience, "it has tried again", func() bool { return r.starts() >= 2 })
	r.relay.Open()
	lab.Check(t, lab.Receive(t, answered))

	r = s.begin(t, "AUTOSSH_GATETIME=0 -M 0 -N -o TunneldHold=0 -L {L}:127.0.0.1:{ECHO} server").do(t, "up")
	r.relay.Shut()
	r.relay.Cut()
	lab.Eventually(t, lab.Patience, "a client is refused", func() bool {
		conn, err := net.Dial("tcp", lab.Loopback(r.ports["L"]))
		if err != nil {
			return true
		}
		defer conn.Close()
		return lab.ReadToEnd(conn, time.Second) != nil && lab.Exchange(conn, "x\n", time.Second) != nil
	})
}

func testProd(t *testing.T, s *stage) {
	for _, signal := range []string{"HUP", "USR1", "USR2"} {
		r := s.begin(t, "AUTOSSH_GATETIME=0 AUTOSSH_POLL=36000 -M 0 -N -L {L}:127.0.0.1:{ECHO} server", func(r *run) { r.relay.Shut() })
		r.do(t, "starts=6") // the next wait is 120 s
		lab.Eventually(t, lab.Patience, "it waits", func() bool { return strings.Count(r.log(), "restarting ssh") >= 6 })
		r.relay.Open()
		r.do(t, signal+" up")
	}
}

func testMonitorPorts(t *testing.T, s *stage) {
	r := s.begin(t, "AUTOSSH_POLL=30 AUTOSSH_FIRST_POLL=6 AUTOSSH_DEBUG=1 -g -M {P} -N -L {L}:127.0.0.1:{ECHO} server").do(t, "up")
	for _, port := range []int{r.ports["P"], r.ports["P"] + 1} {
		if !lab.Accepts(lab.Loopback(port)) {
			t.Errorf("nobody listens on %d", port)
		}
	}
	if l, err := net.Listen("tcp4", fmt.Sprint("127.0.0.2:", r.ports["P"])); err != nil {
		t.Errorf("with -g the monitor port is open to others: %v", err)
	} else {
		l.Close()
	}
	lab.Eventually(t, lab.Patience, "the loop works", func() bool { return strings.Count(r.log(), "connection ok") >= 1 })
	if !strings.Contains(r.log(), fmt.Sprintf("warning: monitor port %d is taken at the server", r.ports["P"])) || r.starts() != 1 {
		t.Error("the server is this machine, where the port is ours, and nothing is said of that")
	}
}

func testStalePIDFile(t *testing.T, s *stage) {
	r := s.begin(t, "-M 0 -N -L {L}:127.0.0.1:{ECHO} server", func(r *run) {
		lab.WriteFile(t, filepath.Join(r.dir, "pid"), "99999999999\n")
	})
	r.do(t, "up")
	if got := strings.TrimSpace(r.file("pid")); got != strconv.Itoa(r.cmd.Process.Pid) {
		t.Errorf("the pid file holds %q", got)
	}
}

func testRefusal(t *testing.T, s *stage) {
	r := s.begin(t, "AUTOSSH_POLL=0 -M 0 -N server")
	r.exits(t, 1)
	if text := r.file("err"); !strings.HasPrefix(text, `autossh: invalid poll time "0"`) {
		t.Errorf("standard error has %q", text)
	}
	r = s.begin(t, "-M 0 -w 0:0 server")
	r.exits(t, 1)
	if text := r.file("err"); !strings.Contains(text, "tun device") || !strings.Contains(text, "hint: ") {
		t.Errorf("standard error has %q", text)
	}
}

func testWordsOfSSH(t *testing.T, s *stage) {
	r := s.begin(t, "-f -M 0 -N -o PubkeyAuthentication=no server")
	r.do(t, "end starts=2")
	lab.Eventually(t, lab.Patience, "the log has ssh's words", func() bool { return strings.Contains(r.log(), "@127.0.0.1: Permission denied (publickey") })
}
