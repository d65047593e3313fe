package integration

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// lab is what most tests need: an sshd, a relay in front of it, and an account whose alias "server" leads through the
// relay.
type lab struct {
	t       testing.TB
	server  *sshd
	relay   *relay
	account *account
	prefix  []string // words before the program, for example to enter a network namespace
	plain   bool     // tunneld without the race detector, because it is measured
}

// alias is the name in ssh_config of the lab's server.
const alias = "server"

// newLab starts a server and a relay, and writes the account's files. The lines are of ssh_config(5), for the alias.
func newLab(t testing.TB, lines ...string) *lab {
	t.Helper()
	return labOf(t, startSSHD(t), lines...)
}

// labOf is newLab with a server that runs already.
func labOf(t testing.TB, server *sshd, lines ...string) *lab {
	t.Helper()
	l := &lab{t: t, server: server, relay: startRelay(t, server.address()), account: newAccount(t)}
	server.authorize(l.account.key)
	l.account.trust(l.relay.address(), server.hostKey)
	l.options(lines...)
	return l
}

// options writes the alias anew with these lines of ssh_config(5).
func (l *lab) options(lines ...string) {
	l.t.Helper()
	l.account.forget()
	l.account.host(alias, l.relay.port, lines...)
}

// program is one that keeps forwards open.
type program string

// The programs under test: ours, and those it is measured against.
const (
	tunneld program = "tunneld"
	openSSH program = "ssh"
	autossh program = "autossh"
)

// start runs a program with the alias and these options of ssh(1).
func (l *lab) start(p program, flags ...string) *child {
	l.t.Helper()
	flags = append([]string{"-F", l.account.path("config"), "-o", "ExitOnForwardFailure=yes"}, flags...)
	switch p {
	case openSSH:
		need(l.t, "ssh")
		return l.account.run(p, l.words("ssh", "-N", alias, flags))
	case autossh:
		need(l.t, "ssh", "autossh")
		return l.account.run(p, l.words("autossh", "-M", "0", "-N", flags, alias))
	default:
		binary := l.account.binary()
		if l.plain {
			binary = l.account.plainBinary()
		}
		c := l.account.run(p, l.words(binary, "up", alias, "--log-format", "json", "--log-level", "debug", flags[:2], flags[4:]))
		l.account.noRaces(c)
		return c
	}
}

// words puts the prefix in front of words and lists of words.
func (l *lab) words(parts ...any) []string {
	words := slices.Clone(l.prefix)
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			words = append(words, part)
		case []string:
			words = append(words, part...)
		}
	}
	return words
}

// open starts a program with the flags of all routes and waits until each carries.
func (l *lab) open(p program, routes []route, flags ...string) *child {
	l.t.Helper()
	for _, r := range routes {
		flags = append(flags, r.flags...)
	}
	c := l.start(p, flags...)
	if p == tunneld {
		waitUp(l.t, c, 0) // its local listeners accept before that
	}
	l.waitCarrying(c, routes...)
	return c
}

// waitCarrying waits until a connection through each route is accepted.
func (l *lab) waitCarrying(c *child, routes ...route) {
	l.t.Helper()
	for _, r := range routes {
		var last error
		if !within(patience, func() bool {
			var conn net.Conn
			if conn, last = r.dial(); last == nil {
				conn.Close()
			}
			return last == nil || !c.running()
		}) || last != nil {
			l.t.Fatalf("%s does not carry %s: %v", c.name, r.name, last)
		}
	}
}

// outages cut the connection and wait until it is back.
func (l *lab) outages(c *child, r route, count int) {
	l.t.Helper()
	l.waitWorking(c, r)
	for range count {
		l.server.kill()
		l.server.start()
		l.waitWorking(c, r)
	}
}

// dotSSH writes what is mounted at ~/.ssh: files of root, the key readable for the container's group.
func (l *lab) dotSSH(lines ...string) string {
	l.t.Helper()
	dir := filepath.Join(l.t.TempDir(), "ssh")
	known, _ := os.ReadFile(l.account.path("known_hosts"))
	key, _ := os.ReadFile(l.account.path("id_ed25519"))
	text := fmt.Sprintf("Host %s\n  HostName 127.0.0.1\n  Port %d\n  User %s\n", alias, l.relay.port, l.account.user)
	for _, line := range lines {
		text += "  " + line + "\n"
	}
	for name, data := range map[string]string{"config": text, "known_hosts": string(known), "id_ed25519": string(key)} {
		os.MkdirAll(dir, 0o755)
		writeFile(l.t, filepath.Join(dir, name), data)
		os.Chmod(filepath.Join(dir, name), 0o644)
	}
	if err := os.Chown(filepath.Join(dir, "id_ed25519"), 0, containerUser); err != nil {
		l.t.Fatal(err)
	}
	os.Chmod(filepath.Join(dir, "id_ed25519"), 0o440)
	return dir
}

// up starts tunnels by alias and waits until each is up.
func (l *lab) up(count int, words ...string) *child {
	l.t.Helper()
	c := l.account.tunneld(append([]string{"up", "-F", l.account.path("config"), "--log-format", "json"}, words...)...)
	eventually(l.t, patience, "every tunnel is up", func() bool { return len(c.matching(isUp)) >= count || !c.running() })
	return c
}

func (l *lab) boundAt(flags []string) string {
	l.t.Helper()
	for _, f := range l.account.status(alias).Tunnels[0].Forwards {
		if f.Spec == strings.Join(flags, " ") && len(f.Bound) == 1 {
			return f.Bound[0]
		}
	}
	return ""
}

// forward gives the state of a forward as `tunneld status` shows it.
func (l *lab) forward(flags []string) (state, lastError string) {
	l.t.Helper()
	for _, f := range l.account.status(alias).Tunnels[0].Forwards {
		if f.Spec == strings.Join(flags, " ") {
			return string(f.State), f.LastError
		}
	}
	l.t.Fatalf("status has no %v", flags)
	return "", ""
}

// hold has ssh take a remote port and then freezes it: a connection of before that the server still takes for alive.
func (l *lab) hold(r route) *child {
	l.t.Helper()
	c := l.open(openSSH, []route{r})
	c.signal(syscall.SIGSTOP)
	return c
}

// cutMidTransfer breaks the SSH connection while every way carries bytes. Our side must see a reset: after a clean end
// what was cut off would look complete. The other side's sockets are sshd's.
func (l *lab) cutMidTransfer(t *testing.T, ways []way) {
	t.Helper()
	type watch struct {
		name  string
		ended func() error
	}
	var watches []watch
	for _, w := range ways {
		if w.remote {
			told := w.target.expect()
			conn := w.ask(t, "drain "+told.id)
			if _, err := io.ReadFull(conn, make([]byte, len(ready))); err != nil {
				t.Fatal(err)
			}
			go io.Copy(conn, stream(1, 1<<40))
			watches = append(watches, watch{"the target of " + w.name, func() error { return receive(t, told.ended).err }})
			continue
		}
		conn := w.ask(t, "pour")
		if _, err := io.CopyN(io.Discard, conn, 64<<10); err != nil {
			t.Fatal(err)
		}
		watches = append(watches, watch{"the client of " + w.name, func() error { return readToEnd(conn, patience) }})
	}
	l.relay.cut()
	for _, watch := range watches {
		expectReset(t, watch.name, watch.ended())
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// summarize reports the first few errors and the number of all.
func summarize(t testing.TB, failures <-chan error) {
	t.Helper()
	count := 0
	for err := range failures {
		if count++; count <= 5 {
			t.Error(err)
		}
	}
	if count > 5 {
		t.Errorf("… %d errors in all", count)
	}
}

// inherit starts tunneld with listening sockets from descriptor 3 on, as sd_listen_fds(3) has it.
func (l *lab) inherit(sockets []net.Listener, flags ...string) *child {
	l.t.Helper()
	words := append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh", l.account.binary(), "up", alias,
		"-F", l.account.path("config"), "--log-format", "json", "--log-level", "debug"}, flags...)
	cmd := exec.Command("sh", words...)
	cmd.Dir = l.account.dir
	cmd.Env = append(l.account.environment(), fmt.Sprint("LISTEN_FDS=", len(sockets)))
	for _, socket := range sockets {
		file, err := socket.(*net.TCPListener).File()
		if err != nil {
			l.t.Fatal(err)
		}
		defer file.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	c := startChild(l.t, "tunneld", cmd)
	l.account.noRaces(c)
	return c
}

// hasty keeps the waits between attempts short, so that outages follow each other quickly.
var hasty = []string{"-o", "TunneldBackoffMax=1"}

// configure writes the account's configuration anew: an alias and its line each.
func (l *lab) configure(aliases ...[2]string) {
	l.t.Helper()
	l.account.forget()
	for _, a := range aliases {
		l.account.host(a[0], l.relay.port, strings.Split(a[1], "\n")...)
	}
}

// startReplica runs a tunneld whose target says its name.
func (l *lab) startReplica(name string, port int, say func(name string, c *net.TCPConn)) *replica {
	l.t.Helper()
	target := startTarget(l.t, func(c *net.TCPConn) { say(name, c) })
	r := &replica{name: name, web: loopback(freePort(l.t))}
	flags := []string{"--name", name, "--listen", r.web, "-R", fmt.Sprint(port, ":", target.address())}
	r.c = l.start(tunneld, append(flags, hasty...)...)
	waitUp(l.t, r.c, 0)
	return r
}
