package service

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// startUnread starts `tunneld up` with its standard error, or the file of -E, a pipe that nobody reads.
func startUnread(t *testing.T, l *lab.Lab, r lab.Route, flags ...string) (cmd *exec.Cmd, pipe *os.File) {
	t.Helper()
	path := l.Account.Path("pipe")
	pipe = lab.FullPipe(t, path)
	words := append([]string{"up", lab.Alias, "-F", l.Account.Path("config"), "--log-level", "debug"}, r.Flags...)
	cmd = exec.Command(l.Account.Binary(), append(words, flags...)...)
	cmd.Env, cmd.Dir = l.Account.Environment(), l.Account.Dir
	errs, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = errs
	err = cmd.Start()
	errs.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, pipe
}

// waitEnd waits for the end of a program, and returns how it was.
func waitEnd(t *testing.T, cmd *exec.Cmd) *os.ProcessState {
	t.Helper()
	kill := time.AfterFunc(lab.Patience, func() { cmd.Process.Kill() })
	defer kill.Stop()
	cmd.Wait()
	if !kill.Stop() {
		t.Error("it has not ended")
	}
	return cmd.ProcessState
}

// Nobody reads what `up` logs: it forwards, comes back, and a signal ends it, all the same.
func TestLogOfUpThatNobodyReads(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags  []string
		signal syscall.Signal
		code   int
	}{
		"stop":  {nil, syscall.SIGTERM, 0},
		"-E":    {[]string{"-E", "pipe"}, syscall.SIGTERM, 0},
		"quit":  {nil, syscall.SIGQUIT, 1},
		"abort": {nil, syscall.SIGABRT, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
			cmd, _ := startUnread(t, l, r, c.flags...)
			lab.Eventually(t, lab.Patience, "it carries", func() bool { return r.Works(lab.Patience) == nil })
			l.Relay.Cut()
			lab.Eventually(t, lab.Patience, "it is back", func() bool { return l.Relay.Count() > 1 && r.Works(lab.Patience) == nil })
			cmd.Process.Signal(c.signal)
			if end := waitEnd(t, cmd); end.ExitCode() != c.code {
				t.Errorf("it ended with %v", end)
			}
		})
	}
}

// Who reads a log again after a while sees the lines that were kept, how many were not, and what comes.
func TestLogThatIsReadAgain(t *testing.T) {
	t.Parallel()
	const connections = 280
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	cmd, pipe := startUnread(t, l, r, "--log-format", "json", "--name", strings.Repeat("long", 20))
	lab.Eventually(t, lab.Patience, "it carries", func() bool { return r.Works(lab.Patience) == nil })
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range connections / 8 { // each makes a line of some 300 bytes
				lab.Check(t, r.Works(lab.Patience))
			}
		})
	}
	clients.Wait()
	lines := make(chan map[string]any, 10_000)
	go func() {
		defer close(lines)
		for in := bufio.NewReader(pipe); ; {
			text, err := in.ReadString('\n')
			if err != nil {
				return
			}
			fields := map[string]any{}
			if err := json.Unmarshal([]byte(strings.TrimLeft(text, "\x00")), &fields); err != nil {
				fields["msg"] = "no JSON: " + text
			}
			lines <- fields
		}
	}()
	seen := 0
	for next := range lines {
		if text, _ := next["msg"].(string); strings.HasPrefix(text, "no JSON") {
			t.Error(text)
		} else if strings.HasPrefix(text, "log lines left out") {
			if lost, _ := next["lines"].(float64); lost < 1 || int(lost)+seen < connections {
				t.Errorf("%v lines were left out, behind %d", next["lines"], seen)
			}
			break
		}
		seen++
	}
	cmd.Process.Signal(syscall.SIGTERM)
	lab.Eventually(t, lab.Patience, "the next line comes", func() bool {
		select {
		case next := <-lines:
			return next["msg"] == "stopping"
		default:
			return false
		}
	})
	if end := waitEnd(t, cmd); end.ExitCode() != 0 {
		t.Errorf("it ended with %v", end)
	}
}

// Somebody has held the terminal by Ctrl-S and gone home.
func TestTerminalThatIsHeld(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	m := upOnTerminal(t, l)
	m.Type("\x13")
	lab.Check(t, syscall.Kill(m.Pid(), syscall.SIGHUP))
	lab.Check(t, one.Works(lab.Patience))
	before := l.Relay.Count()
	l.Relay.Cut()
	lab.Eventually(t, lab.Patience, "it is back", func() bool { return l.Relay.Count() > before && one.Works(lab.Patience) == nil })
	lab.Check(t, syscall.Kill(m.Pid(), syscall.SIGTERM))
	if code := m.End(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}
