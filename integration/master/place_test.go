package master

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// check asks the master at the path whether it lives, and returns its process ID; 0: it does not.
func (s *side) check(t *testing.T, words ...string) (pid int) {
	t.Helper()
	a := s.ssh(t, "", append([]string{"-O", "check"}, append(words, lab.Alias)...)...)
	fmt.Sscanf(a.err, "Master running (pid=%d)", &pid)
	return pid
}

const notSharing = "not sharing the connection with ssh, trying again"

// The socket is the user's alone, whatever the umask.
func TestModeOfTheSocket(t *testing.T) {
	t.Parallel()
	s := newSide(t, lab.Tunneld, lab.StartSSHD(t))
	s.Prefix = []string{"sh", "-c", `umask 0; exec "$@"`, "sh"}
	s.start(t, lab.Tunneld)
	info, err := os.Lstat(s.socket)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if files, _ := filepath.Glob(s.socket + "?*"); len(files) > 0 {
		t.Errorf("left: %v", files)
	}
}

// asNobody are the words before those of a program that another user is to run.
var asNobody = []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}

// letThrough has every user find what is at path.
func letThrough(t *testing.T, path string) {
	t.Helper()
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		lab.Check(t, os.Chmod(dir, 0o711))
	}
}

// Another user's client is let go without a word, even where the file would let it in.
func TestClientOfAnotherUser(t *testing.T) {
	t.Parallel()
	lab.NeedRoot(t, "runs a client as another user")
	lab.Need(t, "setpriv")
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	letThrough(t, s.socket)
	ask := func() string {
		words := slices.Concat(asNobody, []string{"ssh", "-F", "none", "-S", s.socket, "-O", "check", lab.Alias})
		out, _ := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput()
		return string(out)
	}
	if said := ask(); !strings.Contains(said, "Permission denied") {
		t.Errorf("with the file as it is: %s", said)
	}
	lab.Check(t, os.Chmod(s.socket, 0o666))
	if said := ask(); strings.Contains(said, "Master running") || !strings.Contains(said, "master hello exchange failed") {
		t.Errorf("with the file open to all: %s", said)
	}
	if pid := s.check(t); pid != s.master.Pid() {
		t.Errorf("our own client finds %d", pid)
	}
}

// Root's client is served by a user's master, though that may open none of the files that it is passed.
func TestClientOfRoot(t *testing.T) {
	t.Parallel()
	lab.NeedRoot(t, "runs a master as another user")
	lab.Need(t, "setpriv")
	s := newSide(t, lab.Tunneld, lab.StartSSHD(t))
	for _, dir := range []string{s.Account.Dir, filepath.Dir(s.socket)} {
		letThrough(t, dir)
		lab.Check(t, os.Chown(dir, 65534, 65534))
		files, err := os.ReadDir(dir)
		lab.Check(t, err)
		for _, f := range files {
			lab.Check(t, os.Chown(filepath.Join(dir, f.Name()), 65534, 65534))
		}
	}
	binary := s.Account.Path("tunneld") // where that user finds it
	s.must(t, "", "cp", s.Account.Binary(), binary)
	s.Prefix = slices.Concat(asNobody, []string{"sh", "-c", "shift; exec " + binary + ` "$@"`, "sh"})
	s.start(t, lab.Tunneld)
	lab.Check(t, os.Chown(s.Account.Path("config"), 0, 0)) // which root's ssh reads
	if pid := s.check(t); pid != s.master.Pid() {
		t.Errorf("root's client finds %d", pid)
	}
	input := strings.Repeat("some bytes\n", 50_000)
	if a := s.ssh(t, input, lab.Alias, "cat; echo err >&2; exit 3"); a != (answer{input, "err\n", 3}) {
		t.Errorf("%v", a)
	}
	if count := s.Relay.Count(); count != 1 {
		t.Errorf("%d connections: the client did not ride", count)
	}
}

// Where there is something else than a socket, also behind a symbolic link, it is left as it is, and one warning is given.
func TestNoSocketAtThePath(t *testing.T) {
	for _, there := range []struct {
		name string
		put  func(t *testing.T, path, beside string)
	}{
		{"a file", func(t *testing.T, path, _ string) { lab.WriteFile(t, path, "mine") }},
		{"a directory", func(t *testing.T, path, _ string) { lab.Check(t, os.Mkdir(path, 0o700)) }},
		{"a link to nothing", func(t *testing.T, path, beside string) { lab.Check(t, os.Symlink(beside, path)) }},
		{"a link to a file", func(t *testing.T, path, beside string) {
			lab.WriteFile(t, beside, "mine")
			lab.Check(t, os.Symlink(beside, path))
		}},
		{"a link to a stale socket", func(t *testing.T, path, beside string) {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: beside, Net: "unix"})
			lab.Check(t, err)
			l.SetUnlinkOnClose(false)
			l.Close()
			lab.Check(t, os.Symlink(beside, path))
		}},
	} {
		t.Run(there.name, func(t *testing.T) {
			t.Parallel()
			s := newSide(t, lab.Tunneld, lab.StartSSHD(t))
			beside := s.socket + "-beside"
			there.put(t, s.socket, beside)
			before, err := os.Lstat(s.socket)
			lab.Check(t, err)
			_, missing := os.Lstat(beside)
			s.start(t, lab.Tunneld)
			s.master.WaitLine(t, 0, lab.Patience, "a warning", lab.Said(notSharing))
			s.Account.Expect(0, "reloaded", "reload", lab.Alias)
			lab.Eventually(t, lab.Patience, "it has been tried again", func() bool { return len(s.master.Matching(lab.Said(notSharing))) == 2 })
			if now, err := os.Lstat(s.socket); err != nil || !os.SameFile(now, before) {
				t.Errorf("it was taken away: %v, %v", now, err)
			}
			if _, now := os.Lstat(beside); errors.Is(now, os.ErrNotExist) != errors.Is(missing, os.ErrNotExist) {
				t.Errorf("what it leads to: %v, was %v", now, missing)
			}
			lab.Check(t, os.Remove(s.socket))
			lab.Eventually(t, lab.Patience, "tunneld listens once it is gone", func() bool { return s.check(t) == s.master.Pid() })
		})
	}
}

// A master of somebody else, which lives, is left alone; with -M it is asked to stop listening, and its sessions go on.
func TestForeignMaster(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.OpenSSH, lab.StartSSHD(t))
	foreign := s.master
	cmd, in, _ := s.begin(t, "cat; exit 6")
	ours := s.Start(lab.Tunneld)
	ours.WaitLine(t, 0, lab.Patience, "a warning", lab.Said(notSharing))
	s.Account.Expect(0, "", "down", lab.Alias)
	ours.WaitExit(t, lab.Patience)
	if warned := ours.Matching(lab.Said(notSharing)); len(warned) != 1 || s.check(t) != foreign.Pid() {
		t.Errorf("%d warnings, and %d has the path", len(warned), s.check(t))
	}
	ours = s.Start(lab.Tunneld, "-M")
	lab.Eventually(t, lab.Patience, "tunneld takes the path", func() bool { return s.check(t) == ours.Pid() })
	if !foreign.Running() {
		t.Error("the other master has ended")
	}
	in.Close()
	if code := exitCode(t, cmd); code != 6 {
		t.Errorf("its session ended with %d", code)
	}
	ours.Signal(syscall.SIGTERM)
	if code := ours.WaitExit(t, lab.Patience); code != 0 || fileExists(s.socket) {
		t.Errorf("tunneld ended with %d; the socket is there: %t", code, fileExists(s.socket))
	}
}

// %C is what the ssh makes of it that is installed: with the jump hosts since OpenSSH 9.6, without them before.
func TestHashOfThePath(t *testing.T) {
	for _, stock := range []string{oldest, newest} {
		t.Run(stock, func(t *testing.T) {
			t.Parallel()
			lab.Need(t, stock)
			s := newSide(t, lab.Tunneld, lab.StartSSHD(t))
			s.stock = stock
			dir := t.TempDir()
			program, err := exec.LookPath(stock)
			lab.Check(t, err)
			lab.Check(t, os.Symlink(program, filepath.Join(dir, "ssh")))
			const behind = "behind"
			s.Account.Host(behind, s.Relay.Port, "ProxyJump "+lab.Alias, "ControlMaster auto", "ControlPath "+filepath.Join(dir, "%C"))
			cmd := exec.CommandContext(t.Context(), s.Account.Binary(), "up", behind, "-F", s.Account.Path("config"), "--log-format", "json")
			cmd.Env, cmd.Dir = append(s.Account.Environment(), "PATH="+dir+":"+os.Getenv("PATH")), s.Account.Dir
			master := lab.StartChild(t, "tunneld", cmd)
			lab.Eventually(t, lab.Patience, "ssh finds tunneld", func() bool {
				a := s.ssh(t, "", "-O", "check", behind)
				return a.err == fmt.Sprintf("Master running (pid=%d)\r\n", master.Pid())
			})
		})
	}
}
