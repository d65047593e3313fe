package autossh

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// piped is a run whose standard input and output are pipes of the test.
type piped struct {
	*run
	in  io.WriteCloser
	out *os.File
}

// pipe starts tunneld under autossh's name with a line as in a scene.
func (s *stage) pipe(t *testing.T, line string) *piped {
	t.Helper()
	r := s.run(t, scene{line: line}, "ours")
	r.cmd = exec.Command(r.words[0], r.words[1:]...)
	r.cmd.Env, r.cmd.Dir = r.environ, r.dir
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := r.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	r.cmd.Stdout = theirs
	err = r.cmd.Start()
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	go func() { r.cmd.Wait(); close(r.done) }()
	t.Cleanup(func() {
		r.clean()
		if t.Failed() {
			t.Logf("%q said\n%s", r.words, r.log())
		}
	})
	return &piped{r, in, out}
}

// A signal did not end -W, nor a session, while nobody read what it writes.
func TestTermEndsWhatNobodyReads(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	flood := lab.StartTarget(t, func(c *net.TCPConn) {
		for {
			if _, err := c.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	for name, line := range map[string]string{
		"stdio":   "AUTOSSH_GATETIME=0 -M 0 -W " + flood.Address() + " server",
		"command": "AUTOSSH_GATETIME=0 -M 0 server cat·/dev/zero",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.pipe(t, line)
			io.ReadFull(r.out, make([]byte, 1)) // it has begun
			lab.Eventually(t, lab.Patience, "the pipe is full", func() bool { return lab.IsFull(t, r.out) })
			began := time.Now()
			r.cmd.Process.Signal(syscall.SIGTERM)
			lab.Eventually(t, lab.Patience, "it ends", r.ended)
			if code := r.cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			t.Logf("it took %v", time.Since(began))
		})
	}
}

// What stands on standard input when a connection ends belongs to the next one: a reader that was left behind took it.
func TestInputGoesToTheConnectionThatLives(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	echo := lab.StartTarget(t, lab.Echo)
	for name, line := range map[string]string{
		"stdio":   "AUTOSSH_GATETIME=0 -M 0 -W " + echo.Address() + " server",
		"command": "AUTOSSH_GATETIME=0 -M 0 server cat",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.pipe(t, line)
			back := bufio.NewReader(r.out)
			for n := range 4 {
				word := string(rune('a'+n)) + "\n"
				io.WriteString(r.in, word)
				r.out.SetReadDeadline(time.Now().Add(lab.Patience))
				if got, err := back.ReadString('\n'); err != nil || got != word {
					t.Fatalf("after %d cuts %q came back, %v", n, got, err)
				}
				r.relay.Cut()
				lab.Eventually(t, lab.Patience, "another start", func() bool { return r.starts() == n+2 })
				lab.Eventually(t, lab.Patience, "another connection", func() bool { return r.relay.Count() == n+2 })
			}
			r.in.Close()
			lab.Eventually(t, lab.Patience, "it ends with its input", r.ended)
			if code := r.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
		})
	}
}
