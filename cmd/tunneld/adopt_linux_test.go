package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A key that root had added to the service's directory after the first start could not be read by the service.
func TestAdoptGivesWhatRootAdded(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to give files away")
	}
	const owner, other = 12345, 54321
	state := filepath.Join(t.TempDir(), "state")
	elsewhere := filepath.Join(t.TempDir(), "root's")
	put := func(path string, uid, gid int, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(state, name) }
	put(elsewhere, 0, 0, 0o600)
	put(in(".ssh/id_added"), 0, 0, 0o600)
	put(in(".ssh/config"), 0, 0, 0o644)
	put(in(".ssh/id_group"), 0, owner, 0o440)
	put(in(".ssh/id_own"), owner, owner, 0o600)
	put(in(".ssh/id_other"), other, other, 0o600)
	put(in("others/id_hidden"), 0, 0, 0o600)
	for path, uid := range map[string]int{state: owner, in("others"): other} {
		if err := os.Chown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	for name, make := range map[string]func(string, string) error{"soft": os.Symlink, "hard": os.Link} {
		if err := make(elsewhere, in(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Dir(elsewhere), in("directory")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(in("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}

	t.Setenv("STATE_DIRECTORY", state)
	var out, notes bytes.Buffer
	if code := run(t.Context(), []string{"tunneld", "adopt"}, &out, &notes); code != 0 {
		t.Fatalf("exit code %d: %s", code, &notes)
	}
	for path, want := range map[string]string{
		in(".ssh"):             "12345:12345 drwx------",
		in(".ssh/id_added"):    "12345:12345 -rw-------",
		in(".ssh/config"):      "12345:12345 -rw-------",
		in(".ssh/id_group"):    "0:12345 -r--r-----",
		in(".ssh/id_own"):      "12345:12345 -rw-------",
		in(".ssh/id_other"):    "54321:54321 -rw-------",
		in("others/id_hidden"): "0:0 -rw-------",
		in("pipe"):             "0:0 prw-------",
		elsewhere:              "0:0 -rw-------",
	} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		stat := info.Sys().(*syscall.Stat_t)
		if got := fmt.Sprintf("%d:%d %v", stat.Uid, stat.Gid, info.Mode()); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if text := notes.String(); !strings.Contains(text, "id_added") || !strings.Contains(text, `hard" stays root's`) {
		t.Errorf("it says %q", text)
	}
}

// A drop-in may add a directory: systemd names them all in one variable (systemd.exec(5)).
func TestAdoptTakesSeveralDirectories(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to give files away")
	}
	first, second := t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		if err := os.WriteFile(filepath.Join(dir, "key"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("STATE_DIRECTORY", first+":"+second)
	var out, notes bytes.Buffer
	if code := run(t.Context(), []string{"tunneld", "adopt"}, &out, &notes); code != 0 || strings.Count(notes.String(), "now belongs to user 12345") != 2 {
		t.Errorf("exit code %d: %s", code, &notes)
	}
}
