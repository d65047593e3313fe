package service

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// upOnTerminal starts `tunneld up one` with a terminal for its own, behind the words of prefix.
func upOnTerminal(t *testing.T, l *lab.Lab, prefix ...string) *lab.Terminal {
	t.Helper()
	words := append(prefix, l.Account.Binary(), "up", "one", "-F", l.Account.Path("config"), "--pidfile", l.Account.Path("pid"))
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env, cmd.Dir = l.Account.Environment(), l.Account.Dir
	m := lab.NewTerminal(t, 200, 50, nil)
	m.Start(cmd)
	lab.Eventually(t, lab.Patience, "it is up", func() bool {
		_, code := l.Account.Ask("health", "one")
		return code == 0
	})
	return m
}

// Closing the terminal ends it as it ends ssh; a SIGHUP while the terminal is there has it reload.
func TestClosedTerminalEndsUp(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	m := upOnTerminal(t, l)
	lab.Check(t, syscall.Kill(m.Pid(), syscall.SIGHUP))
	m.Wait("configuration reloaded")
	lab.Check(t, one.Works(lab.Patience))
	if code := m.HangUp(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if text, _ := l.Account.Ask("status"); !strings.Contains(text, "no tunnel is running") {
		t.Errorf("status: %s", text)
	}
}

// A terminal that is closed while the configuration is read, which may take long, ends it as well.
func TestClosedTerminalEndsUpBeforeItHasBegun(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	reading := l.Account.Path("reading")
	lab.WriteFile(t, l.Account.Path("slow"), fmt.Sprintf("#!/bin/sh\ntrap '' HUP\ntouch %s\nsleep 600 & wait\n", reading))
	lab.Check(t, os.Chmod(l.Account.Path("slow"), 0o755))
	lab.WriteFile(t, l.Account.Path("config"), fmt.Sprintf("Match exec %s\n  LocalForward %s localhost:9\n", l.Account.Path("slow"), one.Address))
	cmd := exec.Command(l.Account.Binary(), "up", "one", "-F", l.Account.Path("config"))
	cmd.Env, cmd.Dir = l.Account.Environment(), l.Account.Dir
	m := lab.NewTerminal(t, 200, 50, nil)
	m.Start(cmd)
	lab.Eventually(t, lab.Patience, "the configuration is read", func() bool {
		_, err := os.Stat(reading)
		return err == nil
	})
	if code := m.HangUp(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// Who has said so outlives the terminal, and SIGHUP is a reload then.
func TestNohupOutlivesTheTerminal(t *testing.T) {
	t.Parallel()
	for name, prefix := range map[string][]string{"nohup": {"nohup"}, "setsid": {"setsid", "--wait"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab.Need(t, prefix[0])
			l, one, _ := two(t)
			m := upOnTerminal(t, l, prefix...)
			text, err := os.ReadFile(l.Account.Path("pid"))
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			m.Abandon()
			lab.Check(t, one.Works(lab.Patience))
			lab.Check(t, syscall.Kill(pid, syscall.SIGHUP))
			added := lab.LocalRoute(t, targetOf(one))
			l.Configure([2]string{"one", forwardOf(one) + "\n" + forwardOf(added)})
			lab.Check(t, syscall.Kill(pid, syscall.SIGHUP))
			lab.Eventually(t, lab.Patience, "the new port is bound", func() bool { return lab.Accepts(added.Address) })
			lab.Check(t, added.Works(lab.Patience))
			l.Account.Expect(0, "one: stopped", "down", "one")
		})
	}
}

// Ctrl-\ ends it with a line; who debugs it sees the goroutines.
func TestQuitSignalEndsWithALine(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"as it is": nil, "debug": {"--log-level", "debug"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, _, _ := two(t)
			c := l.Up(1, append([]string{"one"}, flags...)...)
			c.Signal(syscall.SIGQUIT)
			if code := c.WaitExit(t, lab.Patience); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			text := strings.TrimSpace(c.Text())
			if last := text[strings.LastIndex(text, "\n")+1:]; !strings.Contains(last, "exiting at once") {
				t.Errorf("the last line is %q", last)
			}
			for line := range strings.Lines(text) {
				if !json.Valid([]byte(line)) {
					t.Errorf("no JSON: %s", line)
				}
			}
			if shown := strings.Contains(text, "goroutine 1 ["); shown != (flags != nil) {
				t.Errorf("goroutines shown: %t", shown)
			}
			l.Up(1, "one") // it has left nothing behind that is in the way
		})
	}
}
