package lab

import (
	"encoding/json"
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

// Lab is what most tests need: an sshd, a relay in front of it, and an account whose alias "server" leads through the
// relay.
type Lab struct {
	T       testing.TB
	Server  *Sshd
	Relay   *Relay
	Account *Account
	Prefix  []string // Words before the program, for example to enter a network namespace
	Plain   bool     // Tunneld without the race detector, because it is measured
}

// Alias is the name in ssh_config of the lab's server.
const Alias = "server"

// New starts a server and a relay, and writes the account's files. The lines are of ssh_config(5), for the alias.
func New(t testing.TB, lines ...string) *Lab {
	t.Helper()
	return LabOf(t, StartSSHD(t), lines...)
}

// LabOf is New with a server that runs already.
func LabOf(t testing.TB, server *Sshd, lines ...string) *Lab {
	t.Helper()
	l := &Lab{T: t, Server: server, Relay: StartRelay(t, server.Address()), Account: NewAccount(t)}
	server.Authorize(l.Account.Key)
	l.Account.Trust(l.Relay.Address(), server.HostKey)
	l.Options(lines...)
	return l
}

// Options rewrites the alias with these lines of ssh_config(5).
func (l *Lab) Options(lines ...string) {
	l.T.Helper()
	l.Account.Forget()
	l.Account.Host(Alias, l.Relay.Port, lines...)
}

// Program is one that keeps forwards open.
type Program string

// The programs under test: ours, and those it is measured against.
const (
	Tunneld Program = "tunneld"
	OpenSSH Program = "ssh"
	Autossh Program = "autossh"
)

// Start runs a program with the alias and these options of ssh(1).
func (l *Lab) Start(p Program, flags ...string) *Child {
	l.T.Helper()
	flags = append([]string{"-F", l.Account.Path("config"), "-o", "ExitOnForwardFailure=yes"}, flags...)
	switch p {
	case OpenSSH:
		Need(l.T, "ssh")
		return l.Account.Run(p, l.Words("ssh", "-N", Alias, flags))
	case Autossh:
		Need(l.T, "ssh", "autossh")
		return l.Account.Run(p, l.Words("autossh", "-M", "0", "-N", flags, Alias))
	default:
		binary := l.Account.Binary()
		if l.Plain {
			binary = l.Account.PlainBinary()
		}
		c := l.Account.Run(p, l.Words(binary, "up", Alias, "--log-format", "json", "--log-level", "debug", flags[:2], flags[4:]))
		l.Account.noRaces(c)
		return c
	}
}

// Words puts the prefix in front of words and lists of words.
func (l *Lab) Words(parts ...any) []string {
	words := slices.Clone(l.Prefix)
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

// Open starts a program with the flags of all routes and waits until each carries.
func (l *Lab) Open(p Program, routes []Route, flags ...string) *Child {
	l.T.Helper()
	for _, r := range routes {
		flags = append(flags, r.Flags...)
	}
	c := l.Start(p, flags...)
	if p == Tunneld {
		WaitUp(l.T, c, 0) // its local listeners accept before that
	}
	l.WaitCarrying(c, routes...)
	return c
}

// WaitCarrying waits until a connection through each route is accepted.
func (l *Lab) WaitCarrying(c *Child, routes ...Route) {
	l.T.Helper()
	for _, r := range routes {
		var last error
		if !Within(Patience, func() bool {
			var conn net.Conn
			if conn, last = r.Dial(); last == nil {
				conn.Close()
			}
			return last == nil || !c.Running()
		}) || last != nil {
			l.T.Fatalf("%s does not carry %s: %v", c.name, r.Name, last)
		}
	}
}

// Outages cut the connection and wait until it is back.
func (l *Lab) Outages(c *Child, r Route, count int) {
	l.T.Helper()
	l.WaitWorking(c, r)
	for range count {
		l.Server.Kill()
		l.Server.Start()
		l.WaitWorking(c, r)
	}
}

// DotSSH writes what is mounted at ~/.ssh: files of root, the key readable for the container's group.
func (l *Lab) DotSSH(lines ...string) string {
	l.T.Helper()
	dir := filepath.Join(l.T.TempDir(), "ssh")
	known, _ := os.ReadFile(l.Account.Path("known_hosts"))
	key, _ := os.ReadFile(l.Account.Path("id_ed25519"))
	text := fmt.Sprintf("Host %s\n  HostName 127.0.0.1\n  Port %d\n  User %s\n", Alias, l.Relay.Port, l.Account.User)
	for _, line := range lines {
		text += "  " + line + "\n"
	}
	for name, data := range map[string]string{"config": text, "known_hosts": string(known), "id_ed25519": string(key)} {
		os.MkdirAll(dir, 0o755)
		WriteFile(l.T, filepath.Join(dir, name), data)
		os.Chmod(filepath.Join(dir, name), 0o644)
	}
	if err := os.Chown(filepath.Join(dir, "id_ed25519"), 0, ContainerUser); err != nil {
		l.T.Fatal(err)
	}
	os.Chmod(filepath.Join(dir, "id_ed25519"), 0o440)
	return dir
}

// Up starts tunnels by alias and waits until each is up.
func (l *Lab) Up(count int, words ...string) *Child {
	l.T.Helper()
	c := l.Account.Tunneld(append([]string{"up", "-F", l.Account.Path("config"), "--log-format", "json"}, words...)...)
	l.T.Cleanup(func() { l.isJSON(c) })
	Eventually(l.T, Patience, "every tunnel is up", func() bool { return len(c.Matching(IsUp)) >= count || !c.Running() })
	return c
}

// isJSON wants each line that a process has written to be JSON, unless it crashed.
func (l *Lab) isJSON(c *Child) {
	l.T.Helper()
	text := c.Text()
	if strings.Contains(text, "\ngoroutine ") {
		return
	}
	for line := range strings.Lines(text) {
		if !json.Valid([]byte(line)) {
			l.T.Errorf("no JSON: %s", line)
		}
	}
}

func (l *Lab) BoundAt(flags []string) string {
	l.T.Helper()
	for _, f := range l.Account.Status(Alias).Tunnels[0].Forwards {
		if f.Spec == strings.Join(flags, " ") && len(f.Bound) == 1 {
			return f.Bound[0]
		}
	}
	return ""
}

// Forward returns the state of a forward as `tunneld status` shows it.
func (l *Lab) Forward(flags []string) (state, lastError string) {
	l.T.Helper()
	for _, f := range l.Account.Status(Alias).Tunnels[0].Forwards {
		if f.Spec == strings.Join(flags, " ") {
			return f.State, f.LastError
		}
	}
	l.T.Fatalf("status has no %v", flags)
	return "", ""
}

// Hold has ssh take a remote port and then freezes it: a connection of before that the server still takes for alive.
func (l *Lab) Hold(r Route) *Child {
	l.T.Helper()
	c := l.Open(OpenSSH, []Route{r})
	c.Signal(syscall.SIGSTOP)
	return c
}

// CutMidTransfer breaks the SSH connection while every way carries bytes. Our side must see a reset: after a clean end
// what was cut off would look complete. The other side's sockets are sshd's.
func (l *Lab) CutMidTransfer(t *testing.T, ways []Way) {
	t.Helper()
	type watch struct {
		name  string
		ended func() error
	}
	var watches []watch
	for _, w := range ways {
		if w.Remote {
			told := w.Target.expect()
			conn := w.Ask(t, "drain "+told.id)
			if _, err := io.ReadFull(conn, make([]byte, len(ready))); err != nil {
				t.Fatal(err)
			}
			go io.Copy(conn, Stream(1, 1<<40))
			watches = append(watches, watch{"the target of " + w.Name, func() error { return Receive(t, told.ended).err }})
			continue
		}
		conn := w.Ask(t, "pour")
		if _, err := io.CopyN(io.Discard, conn, 64<<10); err != nil {
			t.Fatal(err)
		}
		watches = append(watches, watch{"the client of " + w.Name, func() error { return ReadToEnd(conn, Patience) }})
	}
	l.Relay.Cut()
	for _, watch := range watches {
		ExpectReset(t, watch.name, watch.ended())
	}
}

func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// Summarize reports the first few errors and the number of all.
func Summarize(t testing.TB, failures <-chan error) {
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

// Inherit starts tunneld with listening sockets from descriptor 3 on, as sd_listen_fds(3) has it.
func (l *Lab) Inherit(sockets []net.Listener, flags ...string) *Child {
	l.T.Helper()
	words := append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh", l.Account.Binary(), "up", Alias,
		"-F", l.Account.Path("config"), "--log-format", "json", "--log-level", "debug"}, flags...)
	cmd := exec.Command("sh", words...)
	cmd.Dir = l.Account.Dir
	cmd.Env = append(l.Account.Environment(), fmt.Sprint("LISTEN_FDS=", len(sockets)))
	for _, socket := range sockets {
		file, err := socket.(*net.TCPListener).File()
		if err != nil {
			l.T.Fatal(err)
		}
		defer file.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	c := StartChild(l.T, "tunneld", cmd)
	l.Account.noRaces(c)
	return c
}

// Hasty keeps the waits between attempts short, so that outages follow each other quickly.
var Hasty = []string{"-o", "TunneldBackoffMax=1"}

// Configure rewrites the account's configuration: an alias and its lines each.
func (l *Lab) Configure(aliases ...[2]string) {
	l.T.Helper()
	l.Account.Forget()
	for _, a := range aliases {
		l.Account.Host(a[0], l.Relay.Port, strings.Split(a[1], "\n")...)
	}
}

// StartReplica runs a tunneld whose target says its name.
func (l *Lab) StartReplica(name string, port int, say func(name string, c *net.TCPConn)) *replica {
	l.T.Helper()
	target := StartTarget(l.T, func(c *net.TCPConn) { say(name, c) })
	r := &replica{Name: name, web: Loopback(FreePort(l.T))}
	flags := []string{"--name", name, "--listen", r.web, "-R", fmt.Sprint(port, ":", target.Address())}
	r.C = l.Start(Tunneld, append(flags, Hasty...)...)
	WaitUp(l.T, r.C, 0)
	return r
}
