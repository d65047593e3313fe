package integration

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

// machine is a systemd that was booted for a test, with a kernel's worth of namespaces of its own: processes, mounts, a
// network that has a loopback and nothing else. Its files are those of a Debian that is kept in the user's cache, and
// what the machine writes is gone with it.
type machine struct {
	t     testing.TB
	dir   string // what the machine has written, before it boots: upper/
	space string // name of its network namespace
	init  int    // process number of its /sbin/init
}

// bootScript makes the machine's root directory and becomes its init.
//
//go:embed testdata/boot.sh
var bootScript string

// boot starts a machine whose files are written by prepare, below a root directory.
func boot(t testing.TB, prepare func(root string)) *machine {
	t.Helper()
	needRoot(t, "booting a systemd")
	need(t, "unshare", "nsenter", "ip")
	m := &machine{t: t, dir: t.TempDir(), space: fmt.Sprintf("tunneld-boot-%d", os.Getpid())}
	prepare(filepath.Join(m.dir, "upper"))
	group := cgroup(t)
	tree := debian(t)
	script := fmt.Sprintf("echo $$ > %s/cgroup.procs && exec unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child "+
		"sh -c \"$0\" boot %s %s", group, tree, m.dir)
	outer := startChild(t, "machine", exec.Command("sh", "-c", script, bootScript))
	t.Cleanup(func() { outer.kill(); removeGroup(group) })
	m.waitInit(outer)
	m.attachNetwork()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("journal:\n%s", m.try("journalctl", "--no-pager", "-n", "60", "-o", "short-precise"))
		}
	})
	state := ""
	if !within(patience, func() bool {
		state = m.try("systemctl", "is-system-running")
		return state == "running" || state == "degraded" || !outer.running()
	}) || state == "" {
		t.Skipf("systemd can not be booted here: %q\n%s", state, outer.output())
	}
	return m
}

// waitInit waits for the machine's first process.
func (m *machine) waitInit(outer *child) {
	m.t.Helper()
	eventually(m.t, patience, "init runs", func() bool {
		if !outer.running() {
			m.t.Skipf("namespaces can not be made here: %s", outer.output())
		}
		for _, p := range processTree(outer.pid()).below() {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.pid))
			if p.parent == outer.pid() && strings.TrimSpace(string(name)) == "systemd" {
				m.init = p.pid
			}
		}
		return m.init != 0
	})
}

// attachNetwork gives the machine's network a name, so that visit finds it.
func (m *machine) attachNetwork() {
	m.t.Helper()
	if out, err := exec.Command("ip", "netns", "attach", m.space, strconv.Itoa(m.init)).CombinedOutput(); err != nil {
		m.t.Skipf("needs network namespaces: %s", out)
	}
	m.t.Cleanup(func() { exec.Command("ip", "netns", "del", m.space).Run() })
}

// command gives a command that runs in the machine.
func (m *machine) command(words ...string) *exec.Cmd {
	inside := append([]string{"-t", strconv.Itoa(m.init), "-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w"}, words...)
	cmd := exec.Command("nsenter", inside...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "HOME=/root"}
	return cmd
}

// try runs a command in the machine and gives what it printed, whatever became of it.
func (m *machine) try(words ...string) string {
	out, _ := m.command(words...).CombinedOutput()
	return strings.TrimSpace(string(out))
}

// do runs a command in the machine that has to succeed.
func (m *machine) do(words ...string) string {
	m.t.Helper()
	out, err := m.command(words...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %v: %s", strings.Join(words, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// property gives one of a unit.
func (m *machine) property(unit, name string) string {
	return m.try("systemctl", "show", "--value", "-p", name, unit)
}

// waitProperty waits until a property of a unit satisfies ok, and gives it.
func (m *machine) waitProperty(unit, name, what string, ok func(string) bool) string {
	m.t.Helper()
	value := ""
	if !within(patience, func() bool { value = m.property(unit, name); return ok(value) }) {
		m.t.Fatalf("%s of %s is %q, want %s", name, unit, value, what)
	}
	return value
}

// write puts a file into the running machine.
func (m *machine) write(path, text string) {
	m.t.Helper()
	cmd := m.command("sh", "-c", `mkdir -p "$(dirname "$0")" && cat > "$0"`, path)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v: %s", path, err, out)
	}
}

// inside runs do in the machine's network.
func (m *machine) inside(do func()) {
	m.t.Helper()
	(&network{t: m.t}).inside(m.space, do)
}

// dial connects from inside the machine.
func (m *machine) dial(address string) (conn net.Conn, err error) {
	m.inside(func() { conn, err = net.DialTimeout("tcp", address, patience) })
	return conn, err
}

// echoes sends something through address and waits for it to come back.
func (m *machine) echoes(address string) error {
	conn, err := m.dial(address)
	if err != nil {
		return err
	}
	defer conn.Close()
	return exchange(conn, "hello", patience)
}

// debianTime bounds the making of the tree.
const debianTime = 8 * time.Minute

var debianOnce sync.Mutex

// debian gives a directory with a Debian that has systemd, from the cache or made anew, which takes a minute or two.
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
	need(t, "debootstrap")
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
		t.Skipf("a Debian can not be made here: %v\n%s", err, tail(string(out), 5))
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
	within(patience, func() bool {
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
