//go:build unix

package helper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tunneld/tunneld/tunnel/sshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script writes a program of the shell.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ssh-test-helper")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func started(t *testing.T, p Program) *Process {
	t.Helper()
	h, err := p.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// A helper serves one request after the other. What it says before an answer is heard when that is there.
func TestHelperAnswers(t *testing.T) {
	h := started(t, Program{Path: script(t, `[ "$1" = -v ] || exit 1
n=0
while dd bs=1 count=7 2>/dev/null | grep -q one; do
  n=$((n+1)); echo "line $n; code: $n" >&2; printf '\0\0\0\3yes'
done`), Noted: "code: "})
	for n := 1; n <= 20; n++ {
		answer, err := h.Ask(t.Context(), time.Minute, []byte("one"))
		if err != nil || string(answer) != "yes" {
			t.Fatalf("%q, %v", answer, err)
		}
		if got, want := h.Last().String(), fmt.Sprintf("line %d; code: %[1]d", n); got != want {
			t.Fatalf("it has said %q, want %q", got, want)
		}
		if got := h.Noted(); len(got) != n || got[n-1] != strconv.Itoa(n) {
			t.Fatalf("noted: %q", got)
		}
	}
	h.Close()
	h.Close()
	if got := h.Last().String(); got != "line 20; code: 20" {
		t.Errorf("afterwards it has said %q", got)
	}
}

func TestHelperThatDoesNotAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		error  string
		said   string
	}{
		"ends":             {`echo why >&2; exit 1`, "has ended", "why"},
		"ends late":        {`dd bs=1 count=6 2>/dev/null >&2; echo "why not" >&2`, "has ended", "why not"},
		"half a length":    {`printf '\0\0'`, "has ended", ""},
		"half an answer":   {`printf '\0\0\0\11half'`, "has ended", ""},
		"nothing":          {`printf '\0\0\0\0'; sleep 600`, "sends a message of 0 bytes", ""},
		"too much":         {`exec yes`, "sends a message of 2030729482 bytes", ""},
		"words for ever":   {`yes "no end" >&2`, "has ended", "no end"},
		"half a line":      {`printf 'half a line' >&2`, "has ended", "half a line"},
		"marks of its own": {`printf '\0\0one\0\n\0' >&2`, "has ended", "one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := started(t, Program{Path: script(t, test.script)})
			answer, err := h.Ask(t.Context(), time.Minute, []byte("?\n"))
			if err == nil || err.Error() != test.error || answer != nil {
				t.Errorf("%q, %v; want %q", answer, err, test.error)
			}
			if got := h.Last().String(); got != test.said {
				t.Errorf("it has said %q, want %q", got, test.said)
			}
		})
	}
}

// A helper that hangs is killed with its children when its time is over, when nobody wants the answer any more, or when it is closed;
// one that has left all that it had to a child of another group is not waited for.
func TestHelperThatHangs(t *testing.T) {
	gone := errors.New("not wanted any more")
	for name, test := range map[string]struct {
		limit time.Duration
		end   func(cancel context.CancelCauseFunc, h *Process)
		want  func(error) bool
	}{
		"time is over": {300 * time.Millisecond, nil, func(err error) bool {
			slow := new(SlowError)
			return errors.As(err, &slow) && slow.Limit == 300*time.Millisecond
		}},
		"not wanted": {time.Hour, func(cancel context.CancelCauseFunc, _ *Process) { cancel(gone) }, func(err error) bool { return err == gone }},
		"closed":     {time.Hour, func(_ context.CancelCauseFunc, h *Process) { h.Close() }, func(err error) bool { return errors.Is(err, ErrEnded) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pids := filepath.Join(t.TempDir(), "pids")
			h := started(t, Program{Path: script(t, "sleep 600 &\necho $! $$ >"+pids+".new; mv "+pids+".new "+pids+"; wait")})
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			errs := make(chan error, 1)
			go func() {
				_, err := h.Ask(ctx, test.limit, []byte("?"))
				errs <- err
			}()
			if test.end != nil {
				sshtest.Eventually(t, "it hangs", func() bool { _, err := os.Stat(pids); return err == nil })
				test.end(cancel, h)
			}
			if err := <-errs; !test.want(err) {
				t.Errorf("%v", err)
			}
			data, _ := os.ReadFile(pids) // it may have been killed before it came that far
			for word := range strings.FieldsSeq(string(data)) {
				pid, _ := strconv.Atoi(word)
				sshtest.Gone(t, pid)
			}
		})
	}
}

// What a helper has started may leave its group, and keep its standard error and output: nobody waits for that.
func TestHeirsAreNotWaitedFor(t *testing.T) {
	setsid := "/usr/bin/setsid"
	if _, err := os.Stat(setsid); err != nil {
		t.Skipf("needs %s", setsid)
	}
	pid := filepath.Join(t.TempDir(), "pid")
	h := started(t, Program{Path: script(t, setsid+` sh -c 'echo $$ >`+pid+`.new; mv `+pid+`.new `+pid+`; exec sleep 600' &
while [ ! -e `+pid+` ]; do sleep 0.01; done
echo "last words" >&2; printf '\0\0\0\3yes'; exec cat >/dev/null`)})
	t.Cleanup(func() {
		text, _ := os.ReadFile(pid)
		if number, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			syscall.Kill(number, syscall.SIGKILL)
		}
	})
	if answer, err := h.Ask(t.Context(), time.Minute, []byte("?")); err != nil || string(answer) != "yes" {
		t.Fatalf("%q, %v", answer, err)
	}
	begun := time.Now()
	h.Close()
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("it was waited for %v", took)
	}
	if got := h.Last().String(); got != "last words" {
		t.Errorf("it has said %q", got)
	}
}

func TestHelperThatCannotBeRun(t *testing.T) {
	directory := t.TempDir()
	if _, err := (Program{Path: filepath.Join(directory, "none")}).Start(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := (Program{Path: directory}).Start(); !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v", err)
	}
}

func TestFind(t *testing.T) {
	directory := t.TempDir()
	write := func(path string, mode os.FileMode) string {
		t.Helper()
		path = filepath.Join(directory, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	program, file := write("named", 0o700), write("file", 0o600)
	t.Setenv("PATH", t.TempDir())
	for named, want := range map[string]string{
		program: "", program + "x": "no such file or directory", directory: "is a directory", file: "permission denied", "unheard-of": "executable file not found in $PATH",
	} {
		path, err := Find("ssh-test-helper", named)
		if want == "" && (path != named || err != nil) || want != "" && (path != "" || err == nil || err.Error() != want) {
			t.Errorf("%s: %q, %v", named, path, err)
		}
	}
	if path, err := Find("ssh-test-helper", ""); path != "" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%q, %v", path, err)
	}
	// That of the ssh which is found first, wherever a link to it stands, goes before that of the system.
	write("opt/bin/ssh", 0o700)
	want := write("opt/libexec/ssh-test-helper", 0o700)
	bin := filepath.Join(directory, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../opt/bin/ssh", filepath.Join(bin, "ssh")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	path, err := Find("ssh-test-helper", "")
	if real, _ := filepath.EvalSymlinks(want); err != nil || path != want && path != real {
		t.Errorf("%q, %v; want %q", path, err, want)
	}
}

// One has the turn at a time, and who waits for it can be called away.
func TestTurn(t *testing.T) {
	turn := NewTurn()
	free, err := turn.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	away := errors.New("away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(away)
	if _, err := turn.Take(ctx); err != away {
		t.Errorf("%v", err)
	}
	free()
	if free, err = turn.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	free()
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 5, 6})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if answer, err := read(bytes.NewReader(data)); (len(answer) == 0) == (err == nil) {
			t.Errorf("%q, %v", answer, err)
		}
	})
}
