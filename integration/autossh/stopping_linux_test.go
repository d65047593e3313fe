package autossh

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// A second SIGTERM ends it at once, whatever still drains and is watched, and nothing is left to be waited for in vain. Connections
// that are cut so are reset.
func TestSecondSignalEndsWhatDrains(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	for name, replacements := range map[string]int{"the connection that is": 0, "those that were before": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.begin(t, "AUTOSSH_GATETIME=0 -v -M {P} -N -o TunneldDrain=120s "+forward+" server").do(t, "up")
			open, err := net.Dial("tcp", lab.Loopback(r.ports["L"]))
			lab.Check(t, err)
			defer open.Close()
			lab.Check(t, lab.Exchange(open, "x\n", lab.Patience))
			for n := range replacements { // the old ones drain, and what watches them lives
				if text, code := r.tunneld(t, "reconnect", "server"); code != 0 {
					t.Fatalf("reconnect ends with %d: %s", code, text)
				}
				lab.Eventually(t, lab.Patience, "another connection", func() bool { return r.relay.Count() >= n+2 })
			}
			syscall.Kill(r.pid(), syscall.SIGTERM)
			lab.Never(t, 1500*time.Millisecond, "it ends while a connection is open", r.ended)
			began := time.Now()
			syscall.Kill(r.pid(), syscall.SIGTERM)
			r.exits(t, 1)
			t.Logf("it took %v", time.Since(began))
			lab.ExpectReset(t, "the client", lab.ReadToEnd(open, lab.Patience))
			if strings.Contains(r.file("err"), "not waiting for all that runs") {
				t.Error("something still ran when its time was over")
			}
		})
	}
}

// Nobody reads what it logs: the tunnel is there all the same, and a signal ends it.
func TestLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	for name, line := range map[string]string{
		"standard error": "AUTOSSH_GATETIME=0 -M 0 -v -N " + forward + " server",
		"log file":       "AUTOSSH_LOGFILE={DIR}/fifo AUTOSSH_LOGLEVEL=7 AUTOSSH_GATETIME=0 -M 0 -N " + forward + " server",
		"-E":             "AUTOSSH_GATETIME=0 -M 0 -v -E {DIR}/fifo -N " + forward + " server",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.run(t, scene{line: line}, "ours")
			r.startUnread(t, name == "standard error")
			r.do(t, "up cut again")
			r.cmd.Process.Signal(syscall.SIGTERM)
			r.exits(t, 1)
		})
	}
}

// startUnread starts it beside {DIR}/fifo, a pipe that nobody reads, or with that for its standard error.
func (r *run) startUnread(t *testing.T, asErrors bool) {
	t.Helper()
	lab.FullPipe(t, r.dir+"/fifo")
	r.cmd = exec.Command(r.words[0], r.words[1:]...)
	r.cmd.Env, r.cmd.Dir = r.environ, r.dir
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if asErrors {
		theirs, err := os.OpenFile(r.dir+"/fifo", os.O_WRONLY, 0)
		lab.Check(t, err)
		defer theirs.Close()
		r.cmd.Stderr = theirs
	}
	lab.Check(t, r.cmd.Start())
	go func() { r.cmd.Wait(); close(r.done) }()
	t.Cleanup(r.clean)
}

// abortTime is less than the ten seconds for which Go waits for threads that show nothing.
const abortTime = 9 * time.Second

// SIGABRT ends it as it ends autossh: at once and by that signal, whoever reads what it writes.
func TestAbortEndsAtOnce(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "ssh", "autossh")
	s := newStage(t)
	for name, c := range map[string]struct {
		whose string
		start func(*testing.T, *run)
	}{
		"autossh":        {"theirs", func(t *testing.T, r *run) { lab.Check(t, r.start()); t.Cleanup(r.clean) }},
		"tunneld":        {"ours", func(t *testing.T, r *run) { lab.Check(t, r.start()); t.Cleanup(r.clean) }},
		"nobody listens": {"ours", func(t *testing.T, r *run) { r.startUnread(t, true) }},
		"log file": {"ours", func(t *testing.T, r *run) {
			r.environ = append(r.environ, "AUTOSSH_LOGFILE="+r.dir+"/fifo")
			r.startUnread(t, false)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.run(t, scene{line: "AUTOSSH_GATETIME=0 -M 0 -N " + forward + " server"}, c.whose)
			c.start(t, r)
			r.do(t, "up")
			began := time.Now()
			syscall.Kill(r.pid(), syscall.SIGABRT)
			r.do(t, "end")
			if took := time.Since(began); took > abortTime {
				t.Errorf("it took %v", took)
			}
			if status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGABRT {
				t.Errorf("it ended with %v", r.cmd.ProcessState)
			}
			if text := r.file("err"); name == "tunneld" && (!strings.Contains(text, "SIGABRT: abort") || !strings.Contains(text, "goroutine 1 [")) {
				t.Errorf("it shows %s", text)
			}
		})
	}
}
