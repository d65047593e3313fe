package lab

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Machine is a systemd that was booted for a test, with a kernel's worth of namespaces of its own: processes, mounts, a
// network that has a loopback and nothing else. Its files are those of a Debian that is kept in the user's cache, and
// what the machine writes is gone with it.
type Machine struct {
	T     testing.TB
	Dir   string // what the machine has written, before it boots: upper/
	Space string // name of its network namespace
	init  int    // process number of its /sbin/init
}

// bootScript makes the machine's root directory and becomes its init.
//
//go:embed testdata/boot.sh
var bootScript string

// Boot starts a machine whose files are written by prepare, below a root directory.
func Boot(t testing.TB, prepare func(root string)) *Machine {
	t.Helper()
	NeedRoot(t, "booting a systemd")
	Need(t, "unshare", "nsenter", "ip")
	m := &Machine{T: t, Dir: t.TempDir(), Space: fmt.Sprintf("tunneld-boot-%d", os.Getpid())}
	prepare(filepath.Join(m.Dir, "upper"))
	group := cgroup(t)
	tree := debian(t)
	script := fmt.Sprintf("echo $$ > %s/cgroup.procs && exec unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child "+
		"sh -c \"$0\" boot %s %s", group, tree, m.Dir)
	outer := StartChild(t, "machine", exec.Command("sh", "-c", script, bootScript))
	t.Cleanup(func() { outer.Kill(); removeGroup(group) })
	m.waitInit(outer)
	m.attachNetwork()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("journal:\n%s", m.Try("journalctl", "--no-pager", "-n", "60", "-o", "short-precise"))
		}
	})
	state := ""
	if !Within(Patience, func() bool {
		state = m.Try("systemctl", "is-system-running")
		return state == "running" || state == "degraded" || !outer.Running()
	}) || state == "" {
		t.Skipf("systemd cannot be booted here: %q\n%s", state, outer.Output())
	}
	return m
}

// waitInit waits for the machine's first process.
func (m *Machine) waitInit(outer *Child) {
	m.T.Helper()
	Eventually(m.T, Patience, "init runs", func() bool {
		if !outer.Running() {
			m.T.Skipf("namespaces cannot be made here: %s", outer.Output())
		}
		for _, p := range ProcessTree(outer.Pid()).Below() {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.Pid))
			if p.parent == outer.Pid() && strings.TrimSpace(string(name)) == "systemd" {
				m.init = p.Pid
			}
		}
		return m.init != 0
	})
}

// attachNetwork returns the machine's network a name, so that visit finds it.
func (m *Machine) attachNetwork() {
	m.T.Helper()
	if out, err := exec.Command("ip", "netns", "attach", m.Space, strconv.Itoa(m.init)).CombinedOutput(); err != nil {
		m.T.Skipf("needs network namespaces: %s", out)
	}
	m.T.Cleanup(func() { exec.Command("ip", "netns", "del", m.Space).Run() })
}

// Command returns a command that runs in the machine.
func (m *Machine) Command(words ...string) *exec.Cmd {
	inside := append([]string{"-t", strconv.Itoa(m.init), "-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w"}, words...)
	cmd := exec.Command("nsenter", inside...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root"}
	return cmd
}

// Try runs a command in the machine and returns what it printed, whatever became of it.
func (m *Machine) Try(words ...string) string {
	out, _ := m.Command(words...).CombinedOutput()
	return strings.TrimSpace(string(out))
}

// Do runs a command in the machine that has to succeed.
func (m *Machine) Do(words ...string) string {
	m.T.Helper()
	out, err := m.Command(words...).CombinedOutput()
	if err != nil {
		m.T.Fatalf("%s: %v: %s", strings.Join(words, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Property returns one of a unit.
func (m *Machine) Property(unit, name string) string {
	return m.Try("systemctl", "show", "--value", "-p", name, unit)
}

// WaitProperty waits until a property of a unit satisfies ok, and returns it.
func (m *Machine) WaitProperty(unit, name, what string, ok func(string) bool) string {
	m.T.Helper()
	value := ""
	if !Within(Patience, func() bool { value = m.Property(unit, name); return ok(value) }) {
		m.T.Fatalf("%s of %s is %q, want %s", name, unit, value, what)
	}
	return value
}

// Write puts a file into the running machine.
func (m *Machine) Write(path, text string) {
	m.T.Helper()
	cmd := m.Command("sh", "-c", `mkdir -p "$(dirname "$0")" && cat > "$0"`, path)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.T.Fatalf("%s: %v: %s", path, err, out)
	}
}

// Inside runs do in the machine's network.
func (m *Machine) Inside(do func()) {
	m.T.Helper()
	(&Network{t: m.T}).Inside(m.Space, do)
}

// Dial connects from inside the machine.
func (m *Machine) Dial(address string) (conn net.Conn, err error) {
	m.Inside(func() { conn, err = net.DialTimeout("tcp", address, Patience) })
	return conn, err
}

// Echoes sends something through address and waits for it to come back.
func (m *Machine) Echoes(address string) error {
	conn, err := m.Dial(address)
	if err != nil {
		return err
	}
	defer conn.Close()
	return Exchange(conn, "hello", Patience)
}

// debianTime bounds the making of the tree.
const debianTime = 8 * time.Minute

var debianOnce sync.Mutex

// debian returns a directory with a Debian that has systemd, from the cache or made anew, which takes a minute or two.
func debian(t testing.TB) string {
	t.Helper()
	debianOnce.Lock()
	defer debianOnce.Unlock()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("no cache for a Debian: %v", err)
	}
	tree := filepath.Join(cache, "tunneld-test", "debian-bookworm")
	if _, err := os.Stat(tree); err == nil {
		return tree
	}
	Need(t, "debootstrap")
	os.MkdirAll(filepath.Dir(tree), 0o755)
	partial, err := os.MkdirTemp(filepath.Dir(tree), "debian-")
	if err != nil {
		t.Skipf("no cache for a Debian: %v", err)
	}
	defer os.RemoveAll(partial)
	os.Chmod(partial, 0o755)
	ctx, cancel := context.WithTimeout(context.Background(), debianTime)
	defer cancel()
	bootstrap := exec.CommandContext(ctx, "debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,libpam-systemd", "bookworm", partial)
	if out, err := bootstrap.CombinedOutput(); err != nil {
		t.Skipf("a Debian cannot be made here: %v\n%s", err, Tail(string(out), 5))
	}
	if err := os.Rename(partial, tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// cgroup makes a control group of version 2 for a machine.
func cgroup(t testing.TB) string {
	t.Helper()
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for l := range strings.Lines(string(mounts)) {
		fields := strings.Fields(l)
		if len(fields) < 3 || fields[2] != "cgroup2" {
			continue
		}
		group := filepath.Join(fields[1], fmt.Sprintf("tunneld-test-%d", os.Getpid()))
		if err := os.Mkdir(group, 0o755); err != nil {
			t.Skipf("needs a control group: %v", err)
		}
		return group
	}
	t.Skip("needs a mounted cgroup2")
	return ""
}

// removeGroup takes the group and all below it away, once what was in them has ended.
func removeGroup(group string) {
	Within(Patience, func() bool {
		var all []string
		filepath.WalkDir(group, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				all = append(all, path)
			}
			return nil
		})
		for i := len(all) - 1; i >= 0; i-- {
			os.Remove(all[i])
		}
		_, err := os.Stat(group)
		return os.IsNotExist(err)
	})
}
