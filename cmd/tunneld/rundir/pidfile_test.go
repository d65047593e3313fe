//go:build unix

package rundir

import (
	"errors"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The number of a process that crashed is given to another one some day.
func TestPIDFileWithARecycledNumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	parent := strconv.Itoa(os.Getppid()) // lives, and holds no lock
	for name, text := range map[string]string{
		"recycled": parent + "\n", "without a line end": parent, "longer than ours": "4194304000\n", "empty": "", "a blank line": "\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		held, err := WritePIDFile(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := readText(t, path); got != strconv.Itoa(os.Getpid())+"\n" {
			t.Errorf("%s: it holds %q", name, got)
		}
		if _, err := WritePIDFile(path); err == nil || !strings.Contains(err.Error(), "lives") || exit.Code(err) != exit.Usage {
			t.Errorf("%s: a second process: %v", name, err)
		}
		held.Remove()
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: still there: %v", name, err)
		}
	}
}

// A mistyped --pidfile costs nobody a file.
func TestPIDFileThatIsSomethingElse(t *testing.T) {
	directory := t.TempDir()
	at := func(name string) string { return filepath.Join(directory, name) }
	texts := map[string]string{
		"text": "dear diary\n", "number and more": "12\ndear diary\n", "zero": "0\n", "negative": "-1\n", "nothing but blanks": strings.Repeat(" ", 100),
		"a long number": strings.Repeat("1", 100), "target": "12\n",
	}
	for name, text := range texts {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, make := range map[string]func(string) error{
		"link":          func(path string) error { return os.Symlink(at("target"), path) },
		"dangling link": func(path string) error { return os.Symlink(at("nothing"), path) },
		"directory":     func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		texts[name] = ""
		if err := make(at(name)); err != nil {
			t.Fatal(err)
		}
	}
	delete(texts, "target")
	texts["missing/pid"] = ""
	for name, text := range texts {
		held, err := WritePIDFile(at(name))
		if err == nil {
			held.Remove()
		}
		if err == nil || exit.Code(err) != exit.Usage || exit.HintOf(err) == "" || !strings.Contains(err.Error(), "--pidfile "+at(name)) {
			t.Errorf("%s: %v (hint %q)", name, err, exit.HintOf(err))
		}
		if text == "" {
			continue
		}
		if got := readText(t, at(name)); got != text {
			t.Errorf("%s: it holds %q", name, got)
		}
	}
	if got := readText(t, at("target")); got != "12\n" {
		t.Errorf("the link was followed: %q", got)
	}
	if _, err := os.Lstat(at("nothing")); err == nil {
		t.Error("the dangling link was followed")
	}
}

// At the end only our own file is removed.
func TestPIDFileThatIsSomebodyElsesByNow(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"replaced": func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, []byte("12\n"), 0o600))
		},
		"written to": func(path string) error { return os.WriteFile(path, []byte("12\n"), 0o600) },
		"a link": func(path string) error {
			return errors.Join(os.Rename(path, path+"-away"), os.Symlink(path+"-away", path))
		},
	} {
		path := filepath.Join(t.TempDir(), "pid")
		held, err := WritePIDFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		held.Remove()
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s: removed", name)
		}
	}
}
