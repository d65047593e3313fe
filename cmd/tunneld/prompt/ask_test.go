package prompt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// program writes an askpass program.
func askpassProgram(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "askpass")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// lookup is os.LookupEnv on a map.
func lookup(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}
}

func TestAskpassIsUsedAsByOpenSSH(t *testing.T) {
	program := askpassProgram(t, `printf '%s\r\nmore' "$1"`)
	for name, test := range map[string]struct {
		variables map[string]string
		used      bool // where there is no terminal
		wanted    bool // where there is one
	}{
		"no display":               {map[string]string{}, false, false},
		"display":                  {map[string]string{"DISPLAY": ":0"}, true, false},
		"wayland":                  {map[string]string{"WAYLAND_DISPLAY": "w"}, true, false},
		"force without display":    {map[string]string{"SSH_ASKPASS_REQUIRE": "FORCE"}, true, true},
		"prefer without display":   {map[string]string{"SSH_ASKPASS_REQUIRE": "prefer"}, false, false},
		"prefer with display":      {map[string]string{"SSH_ASKPASS_REQUIRE": "prefer", "DISPLAY": ":0"}, true, true},
		"never":                    {map[string]string{"SSH_ASKPASS_REQUIRE": "never", "DISPLAY": ":0"}, false, false},
		"something else, no harm":  {map[string]string{"SSH_ASKPASS_REQUIRE": "maybe", "DISPLAY": ":0"}, true, false},
		"empty display is no help": {map[string]string{"DISPLAY": ""}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			test.variables["SSH_ASKPASS"] = program
			p := newPerson(lookup(test.variables), nil)
			p.tty = filepath.Join(t.TempDir(), "none")
			if p.reachable() != test.used || p.wanted != test.wanted {
				t.Errorf("reachable %v wanted %v", p.reachable(), p.wanted)
			}
			answer, err := p.Secret(t.Context(), "the prompt")
			switch {
			case test.used && (answer != "the prompt" || err != nil):
				t.Errorf("answer %q, %v", answer, err)
			case !test.used && !errors.Is(err, auth.ErrNobody):
				t.Errorf("answer %q, %v; want nobody", answer, err)
			}
		})
	}
}

func TestAskpassThatFails(t *testing.T) {
	force := map[string]string{"SSH_ASKPASS_REQUIRE": "force", "SSH_ASKPASS": askpassProgram(t, "echo no; exit 1")}
	if answer, err := newPerson(lookup(force), nil).Secret(t.Context(), ""); answer != "" || err != nil {
		t.Errorf("refused: %q, %v", answer, err)
	}
	force["SSH_ASKPASS"] = filepath.Join(t.TempDir(), "missing")
	if _, err := newPerson(lookup(force), nil).Secret(t.Context(), ""); !errors.Is(err, auth.ErrNobody) {
		t.Errorf("missing program: %v", err)
	}
	force["SSH_ASKPASS"] = askpassProgram(t, "exec sleep 100")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newPerson(lookup(force), nil).Secret(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// The window that a script has opened goes when nobody waits for the answer any more: each attempt would leave one.
func TestAskpassEndsWithWhatItStarted(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	p := newPerson(lookup(map[string]string{
		"SSH_ASKPASS_REQUIRE": "force", "SSH_ASKPASS": askpassProgram(t, "sleep 600 &\necho $! >"+pid+".new; mv "+pid+".new "+pid+"; wait"),
	}), os.Environ())
	p.tty = filepath.Join(t.TempDir(), "none")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := p.Secret(ctx, "")
		ended <- err
	}()
	sshtest.Eventually(t, "it asks", func() bool { _, err := os.Stat(pid); return err == nil })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	number := strings.TrimSpace(string(text))
	t.Cleanup(func() { exec.Command("kill", number).Run() })
	sshtest.Eventually(t, "its window is gone", func() bool {
		stat, err := os.ReadFile("/proc/" + number + "/stat")
		return err != nil || bytes.Contains(stat, []byte(") Z "))
	})
}

// What a program has started besides may keep its output open: the answer is there all the same.
func TestAskpassThatLeavesSomethingBehind(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	force := map[string]string{"SSH_ASKPASS_REQUIRE": "force", "SSH_ASKPASS": askpassProgram(t, "sleep 600 &\necho $! >"+pid+"\necho secret")}
	t.Cleanup(func() { exec.Command("sh", "-c", "kill $(cat "+pid+")").Run() })
	if answer, err := newPerson(lookup(force), os.Environ()).Secret(t.Context(), ""); answer != "secret" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"yes": true, " YES ": true, "no": false, "": false} {
		program := askpassProgram(t, "echo '"+answer+"'")
		p := newPerson(lookup(map[string]string{"SSH_ASKPASS_REQUIRE": "force", "SSH_ASKPASS": program}), nil)
		if got, err := p.Confirm(t.Context(), "sure", ""); got != want || err != nil {
			t.Errorf("%q: %v, %v", answer, got, err)
		}
	}
	program := askpassProgram(t, `case "$1" in Please*) echo yes;; "sure (yes/no)? ") echo perhaps;; *) echo no;; esac`)
	p := newPerson(lookup(map[string]string{"SSH_ASKPASS_REQUIRE": "force", "SSH_ASKPASS": program}), nil)
	if got, err := p.Confirm(t.Context(), "sure", ""); !got || err != nil {
		t.Errorf("asked again: %v, %v", got, err)
	}
}

// A person who has the fingerprint from elsewhere pastes it, as ssh allows.
func TestConfirmByFingerprint(t *testing.T) {
	const fingerprint = "SHA256:Wy0qgyE9h8vUmW3Kc7o0oPyTgxkYwGqVr2rDqT7fVvM"
	for answer, want := range map[string]bool{fingerprint: true, "  " + fingerprint + " ": true, "yes": true, "no": false, "": false} {
		program := askpassProgram(t, `case "$1" in "sure (yes/no/[fingerprint])? ") echo '`+answer+`';; *) echo no;; esac`)
		p := newPerson(lookup(map[string]string{"SSH_ASKPASS_REQUIRE": "force", "SSH_ASKPASS": program}), nil)
		if got, err := p.Confirm(t.Context(), "sure", fingerprint); got != want || err != nil {
			t.Errorf("%q: %v, %v", answer, got, err)
		}
	}
	again := askpassProgram(t, `case "$1" in "Please type 'yes', 'no' or the fingerprint: ") echo '`+fingerprint+`';; *) echo 'SHA256:another';; esac`)
	p := newPerson(lookup(map[string]string{"SSH_ASKPASS_REQUIRE": "force", "SSH_ASKPASS": again}), nil)
	if got, err := p.Confirm(t.Context(), "sure", fingerprint); !got || err != nil {
		t.Errorf("another fingerprint, then the right one: %v, %v", got, err)
	}
}

// What an askpass program says besides, as those with a window do, is no line of its own kind among those of the log.
func TestWordsOfAskpassAreFramed(t *testing.T) {
	var out bytes.Buffer
	program := askpassProgram(t, `echo "Gtk-WARNING: no theme" >&2; printf 'and more' >&2; head -c 10000 /dev/zero | tr '\0' x >&2; echo secret`)
	p := newPerson(lookup(map[string]string{"SSH_ASKPASS_REQUIRE": "force", "SSH_ASKPASS": program}), []string{"PATH=" + os.Getenv("PATH")})
	p.screen = &Screen{w: &out}
	p.screen.Frame(func(line string) []byte { return fmt.Appendf(nil, "<%.20s>", line) })
	if answer, err := p.Secret(t.Context(), ""); answer != "secret" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
	if got := out.String(); !strings.HasPrefix(got, "<Gtk-WARNING: no them><and morexxxxxxxxxxxx>") || strings.Contains(got, "\n") {
		t.Errorf("it says %.200q", got)
	}
}
