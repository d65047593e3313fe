package hostkey

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestAppendKnownHost(t *testing.T) {
	key := testKey(t, "ed25519 a")
	entry := "host.example " + keyText(key) + "\n"
	tests := map[string]struct{ before, want string }{
		"empty file":          {"", entry},
		"other lines":         {"# mine\nother x\n", "# mine\nother x\n" + entry},
		"no end of line":      {"other x", "other x\n" + entry},
		"already there":       {entry, entry},
		"another key is held": {hostLine(t, "host.example", "ed25519 b") + "\n", hostLine(t, "host.example", "ed25519 b") + "\n" + entry},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "known_hosts")
			if err := os.WriteFile(path, []byte(test.before), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := appendKnownHost(t.Context(), path, []string{"host.example"}, key, false); err != nil {
				t.Fatal(err)
			}
			if got := readFile(t, path); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAppendMakesDirectoryAndFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".ssh", "known_hosts")
	if err := appendKnownHost(t.Context(), path, []string{"h", "10.0.0.1"}, testKey(t, "ed25519 a"), false); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{filepath.Dir(path): 0o700 | os.ModeDir, path: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
	}
	if got := readFile(t, path); !strings.HasPrefix(got, "h,10.0.0.1 ssh-ed25519 ") {
		t.Errorf("got %q", got)
	}
	elsewhere := filepath.Join(t.TempDir(), "missing", "known_hosts")
	if err := appendKnownHost(t.Context(), elsewhere, []string{"h"}, testKey(t, "ed25519 a"), false); err == nil {
		t.Error("a directory other than .ssh was made")
	}
}

func TestAppendHashed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known_hosts")
	for range 2 { // the second time both names are there
		if err := appendKnownHost(t.Context(), path, []string{"[h]:2222", "10.0.0.1"}, testKey(t, "ed25519 a"), true); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := readKnownHosts(path)
	if err != nil || len(lines) != 2 {
		t.Fatalf("lines %q, %v", lines, err)
	}
	file := knownHostsFile{lines: lines}
	for _, name := range []string{"[h]:2222", "10.0.0.1"} {
		if len(file.lookup(name)) != 1 {
			t.Errorf("%s is not found in %q", name, lines)
		}
	}
	if strings.Contains(readFile(t, path), "2222") {
		t.Error("the name stands there in the open")
	}
}

func TestAppendToDevice(t *testing.T) {
	if err := appendKnownHost(t.Context(), os.DevNull, []string{"h"}, testKey(t, "ed25519 a"), false); err != nil {
		t.Error(err)
	}
}

// A process that keeps the lock, for example because it is stopped, must not stop the tunnel.
func TestAppendGivesUpOnLock(t *testing.T) {
	path := writeLines(t)
	holder, err := openLocked(t.Context(), path, os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("enough"))
	defer cancel()
	err = appendKnownHost(ctx, path, []string{"h"}, testKey(t, "ed25519 a"), false)
	if err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("error %v", err)
	}
}

// A file that is replaced while we wait for its lock must not swallow the line.
func TestAppendFollowsReplacedFile(t *testing.T) {
	path := writeLines(t, "old x")
	holder, err := openLocked(t.Context(), path, os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- appendKnownHost(t.Context(), path, []string{"h"}, testKey(t, "ed25519 a"), false)
	}()
	fresh := writeLines(t, "new x")
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
	holder.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, path); !strings.HasPrefix(got, "new x\nh ssh-ed25519 ") {
		t.Errorf("got %q", got)
	}
}

const writerVariable = "TUNNELD_TEST_KNOWN_HOSTS_WRITER"

// TestWriterProcess is not a test: it is one of the processes of TestManyWriters, and nothing when that does not run it.
func TestWriterProcess(t *testing.T) {
	path, writer, ok := strings.Cut(os.Getenv(writerVariable), " ")
	if !ok {
		return
	}
	key, err := parseKeyText(readFile(t, path+".key"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	for i := range 5 {
		name := fmt.Sprintf("w%s-%d", writer, i)
		if err := appendKnownHost(t.Context(), path, []string{name}, key, i%2 == 0); err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			other := replacement{host: "changing", keys: []ssh.PublicKey{testKey(t, "ed25519 "+writer)}}
			if err := replaceKnownHosts(t.Context(), path, other); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestManyWriters(t *testing.T) {
	const writers = 16
	path := writeLines(t, "# kept", "changing "+keyText(testKey(t, "ed25519 a")))
	if err := os.WriteFile(path+".key", []byte(keyText(testKey(t, "ed25519 b"))), 0o600); err != nil {
		t.Fatal(err)
	}
	var commands []*exec.Cmd
	release, open, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for i := range writers {
		command := exec.Command(os.Args[0], "-test.run=^TestWriterProcess$", "-test.v")
		command.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", writerVariable, path, i))
		command.Stdin = release
		command.Stderr = os.Stderr
		output, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		for scan := bufio.NewScanner(output); scan.Scan() && scan.Text() != "ready"; {
		}
		commands = append(commands, command)
	}
	release.Close()
	open.Close() // all begin at once
	for _, command := range commands {
		if err := command.Wait(); err != nil {
			t.Error(err)
		}
	}
	lines, err := readKnownHosts(path)
	if err != nil {
		t.Fatal(err)
	}
	file := knownHostsFile{lines: lines}
	for writer := range writers {
		for i := range 5 {
			if name := fmt.Sprintf("w%d-%d", writer, i); len(file.lookup(name)) != 1 {
				t.Errorf("%s: %d lines", name, len(file.lookup(name)))
			}
		}
	}
	if lines[0] != "# kept" || len(file.lookup("changing")) != 1 || len(lines) != 2+writers*5 {
		t.Errorf("%d lines, the first is %q, %d of the changing host", len(lines), lines[0], len(file.lookup("changing")))
	}
}

func TestReplaceKnownHosts(t *testing.T) {
	a, b := testKey(t, "ed25519 a"), testKey(t, "ecdsa a")
	before := strings.Join([]string{
		"# comment", "", "garbage", hostLine(t, "h", "rsa a"), hostLine(t, "other", "rsa a"), "@revoked " + hostLine(t, "h", "rsa a"),
		"\t" + hostLine(t, "h", "ed25519 a") + " mine", "h ssh-unknown AAAA", hostLine(t, hashName("h", newSalt()), "rsa a"), "last, without an end",
	}, "\n")
	want := strings.Join([]string{
		"# comment", "", "garbage", hostLine(t, "other", "rsa a"), "@revoked " + hostLine(t, "h", "rsa a"),
		"\t" + hostLine(t, "h", "ed25519 a") + " mine", "h ssh-unknown AAAA", "last, without an end", "h " + keyText(b), "",
	}, "\n")
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil { // whatever the umask
		t.Fatal(err)
	}
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	r := replacement{host: "h", keys: []ssh.PublicKey{a, b}}
	for range 2 { // the second time there is nothing to do
		if err := replaceKnownHosts(t.Context(), link, r); err != nil {
			t.Fatal(err)
		}
		if got := readFile(t, path); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
	if info, _ := os.Lstat(link); info.Mode()&os.ModeSymlink == 0 {
		t.Error("the symbolic link is gone")
	}
	if got := readFile(t, path+".old"); got != before {
		t.Errorf("backup %q", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 3 {
		t.Errorf("left behind: %v", entries)
	}
	if err := replaceKnownHosts(t.Context(), filepath.Join(dir, "missing"), r); err != nil {
		t.Errorf("missing file: %v", err)
	}
	if err := replaceKnownHosts(t.Context(), os.DevNull, r); err == nil {
		t.Error("a device was replaced")
	}
}
