package service

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
	"golang.org/x/crypto/ssh"
)

// shippedBinary builds tunneld as it is shipped, statically: a machine of another Debian can run it, and so can a unit
// that forbids what the race detector needs.
var shippedBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(lab.Shared, "tunneld-static")
	build := exec.Command("go", "build", "-o", path, "github.com/tunneld/tunneld/cmd/tunneld")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// service is tunneld@.service in a machine that has an sshd and an echo server on its loopback.
type service struct {
	*lab.Machine
	t      *testing.T
	server *lab.Sshd
	target string // of an echo server
	home   string // the user's ~/.ssh while the machine is being prepared
}

// Where the aliases of the test listen, in the machine's own network.
const (
	helloAddress  = "127.0.0.1:7000"
	addedAddress  = "127.0.0.1:7001"
	socketAddress = "127.0.0.1:7002"
	lockedAddress = "127.0.0.1:7003"
	aliceAddress  = "127.0.0.1:7004"
	bobAddress    = "127.0.0.1:7005"
	addedKeyAddr  = "127.0.0.1:7006"
)

const passphrase = "correct horse battery staple"

// bootService boots a machine with everything but a running sshd.
func bootService(t *testing.T) *service {
	lab.NeedRoot(t, "booting a systemd")
	binary, err := shippedBinary()
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, server: lab.NewSSHD(t)}
	var listener net.Listener
	s.Machine = lab.Boot(t, func(root string) {
		s.home = filepath.Join(root, "var/lib/tunneld/.ssh")
		mkdir(t, s.home)
		mkdir(t, filepath.Join(root, "usr/bin"))
		copyFile(t, binary, filepath.Join(root, "usr/bin/tunneld"), 0o755)
		mkdir(t, filepath.Join(root, "etc/credstore"))
		lab.WriteFile(t, filepath.Join(root, "etc/credstore/tunneld.locked"), passphrase+"\n")
		s.writeKeys()
	})
	s.Inside(func() { listener, err = net.Listen("tcp", "127.0.0.1:0") })
	if err != nil {
		t.Fatal(err)
	}
	s.target = lab.StartTargetOn(t, listener, lab.Echo).Address()
	s.Write("/var/lib/tunneld/.ssh/config", s.config(""))
	s.Do("sh", "-c", "tunneld unit > /etc/systemd/system/tunneld@.service")
	socket, err := os.ReadFile("../../deploy/systemd/tunneld@.socket")
	if err != nil {
		t.Fatal(err)
	}
	s.Write("/etc/systemd/system/tunneld@.socket", string(socket))
	s.Write("/etc/systemd/system/tunneld@web.socket.d/ports.conf", "[Socket]\nListenStream=\nListenStream="+socketAddress+"\n")
	s.Write("/etc/systemd/system/tunneld@hello.service.d/watchdog.conf", "[Service]\nWatchdogSec=2s\n")
	s.Do("systemctl", "daemon-reload")
	s.server.Prefix = []string{"ip", "netns", "exec", s.Space}
	return s
}

// writeKeys writes a key, one with a passphrase, and whom to trust.
func (s *service) writeKeys() {
	s.server.Authorize(lab.WriteKey(s.t, filepath.Join(s.home, "id_ed25519")))
	plain, err := os.ReadFile(filepath.Join(s.home, "id_ed25519"))
	if err != nil {
		s.t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKey(plain)
	if err != nil {
		s.t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	if err != nil {
		s.t.Fatal(err)
	}
	lab.WriteFile(s.t, filepath.Join(s.home, "id_locked"), string(pem.EncodeToMemory(locked)))
	known := fmt.Sprintf("[127.0.0.1]:%d %s", s.server.Port, ssh.MarshalAuthorizedKey(s.server.HostKey))
	lab.WriteFile(s.t, filepath.Join(s.home, "known_hosts"), known)
	other := lab.WriteKey(s.t, filepath.Join(s.t.TempDir(), "other"))
	lab.WriteFile(s.t, filepath.Join(s.home, "known_others"), fmt.Sprintf("[127.0.0.1]:%d %s", s.server.Port, ssh.MarshalAuthorizedKey(other)))
}

// config returns ~/.ssh/config; more is for the alias hello.
func (s *service) config(more string) string {
	entry := func(alias, address, more string) string {
		return fmt.Sprintf("Host %s\n    LocalForward %s %s\n%s\n", alias, address, s.target, more)
	}
	return "IgnoreUnknown Tunneld*\n" +
		entry("hello", helloAddress, more) +
		entry("web", socketAddress, "") +
		entry("locked", lockedAddress, "    IdentityFile ~/.ssh/id_locked\n    IdentitiesOnly yes") +
		entry("alice", aliceAddress, "") +
		entry("bobs", bobAddress, "") +
		entry("addedkey", addedKeyAddr, "    IdentityFile ~/.ssh/id_added\n    IdentitiesOnly yes") +
		entry("changed", "127.0.0.1:7100", "    UserKnownHostsFile ~/.ssh/known_others") +
		fmt.Sprintf("Host *\n    HostName 127.0.0.1\n    Port %d\n    User root\n    TunneldBackoffMax 1\n    StrictHostKeyChecking yes\n", s.server.Port)
}

func mkdir(t testing.TB, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t testing.TB, from, to string, mode os.FileMode) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, mode); err != nil {
		t.Fatal(err)
	}
}

// What an administrator does, on a systemd that really runs.
func TestUnderSystemd(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a machine")
	}
	s := bootService(t)
	for _, step := range []struct {
		name string
		run  func(*service, *testing.T)
	}{
		{"the unit is clean and hardened", (*service).unitIsClean},
		{"starts before the server can be reached, and serves who came meanwhile", (*service).startsWithoutServer},
		{"the status line tells of outages", (*service).statusTellsOfOutages},
		{"the journal knows priorities", (*service).journalHasPriorities},
		{"reload changes what differs", (*service).reloads},
		{"a reload that cannot be is told", (*service).reloadFails},
		{"an alias that is missing is told with the file that was read", (*service).missingAlias},
		{"hints are for root, and name the user and the real files", (*service).hints},
		{"a frozen daemon is caught by the watchdog", (*service).watchdogRestarts},
		{"a killed daemon is started again", (*service).crashRestarts},
		{"a refused one is not", (*service).refusedStaysDown},
		{"the passphrase comes as a credential", (*service).credentialUnlocks},
		{"tunnels share a runtime directory", (*service).stopLeavesOthers},
		{"a tunnel of another user leaves the others their keys", (*service).runsAsAnother},
		{"a key that root adds later is the service's", (*service).adoptsKeys},
		{"a socket is there before and between daemons", (*service).socketSurvives},
		{"a user's own service manager", (*service).userUnit},
		{"autossh's units stay as they are", (*service).autosshUnitsStay},
		{"what the page on systemd says", (*service).pageIsFollowed},
		{"the package goes without a trace", (*service).packageGoes},
	} {
		if !t.Run(step.name, func(t *testing.T) { s.Machine.T, s.t = t, t; step.run(s, t) }) {
			break
		}
	}
	s.Machine.T, s.t = t, t
}

func (s *service) unitIsClean(t *testing.T) {
	s.verify("tunneld@web.socket")
	s.verify("tunneld@hello.service")
	s.hardened("tunneld@hello.service")
}

// verify wants no word from systemd about a unit.
func (s *service) verify(unit string) {
	s.t.Helper()
	if out := s.Do("systemd-analyze", "verify", "/etc/systemd/system/"+unit); out != "" {
		s.t.Errorf("verify of %s says %q", unit, out)
	}
}

func (s *service) hardened(unit string) {
	t := s.t
	t.Helper()
	out := s.Do("systemd-analyze", "security", "--offline=true", "/etc/systemd/system/"+unit)
	match := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
	if match == nil {
		t.Fatalf("security says %q", lab.Tail(out, 2))
	}
	if level, _ := strconv.ParseFloat(match[1], 64); level > 1.5 {
		t.Errorf("exposure level %s, want at most 1.5", match[1])
	}
}

func (s *service) startsWithoutServer(t *testing.T) {
	s.Do("systemctl", "enable", "--now", "tunneld@hello")
	if state := s.Property("tunneld@hello", "ActiveState"); state != "active" {
		t.Errorf("state %q after the start, want active", state)
	}
	held, err := s.Dial(helloAddress)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	s.WaitProperty("tunneld@hello", "StatusText", "waiting, and why", func(text string) bool {
		return strings.Contains(text, "refused")
	})
	s.server.Start()
	lab.Check(t, lab.Exchange(held, "held since before the server was there", lab.Patience))
	s.waitUp(t, "tunneld@hello")
	if out := s.Do("tunneld", "status", "hello"); !strings.Contains(out, "up") {
		t.Errorf("root's status says %q", out)
	}
	s.Do("tunneld", "health")
}

func (s *service) waitUp(t *testing.T, unit string) {
	t.Helper()
	s.WaitProperty(unit, "StatusText", "up", func(text string) bool { return strings.HasPrefix(text, "up") })
}

func (s *service) journalHasPriorities(t *testing.T) {
	want := map[string]string{`msg="connecting failed"`: "4", "msg=connected": "6"}
	s.Do("journalctl", "--sync")
	for l := range strings.Lines(s.Do("journalctl", "-u", "tunneld@hello", "_COMM=tunneld", "-o", "json")) {
		var entry struct{ MESSAGE, PRIORITY string }
		if err := json.Unmarshal([]byte(l), &entry); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		for message, priority := range want {
			if strings.Contains(entry.MESSAGE, message) && entry.PRIORITY == priority {
				delete(want, message)
			}
		}
		if strings.Contains(entry.MESSAGE, "time=") || strings.HasPrefix(entry.MESSAGE, "<") {
			t.Errorf("the journal says %q", entry.MESSAGE)
		}
	}
	for message, priority := range want {
		t.Errorf("no message with %s has priority %s", message, priority)
	}
}

func (s *service) reloads(t *testing.T) {
	open, err := s.Dial(helloAddress)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	lab.Check(t, lab.Exchange(open, "before", lab.Patience))
	s.Write("/var/lib/tunneld/.ssh/config", s.config(fmt.Sprintf("    LocalForward %s %s", addedAddress, s.target)))
	s.Do("systemctl", "reload", "tunneld@hello")
	lab.Check(t, s.Echoes(addedAddress))
	lab.Check(t, lab.Exchange(open, "after", lab.Patience))
	s.waitUp(t, "tunneld@hello")
}

func (s *service) reloadFails(t *testing.T) {
	s.Write("/var/lib/tunneld/.ssh/config", "Host hello\n    LocalForwart 1 2\n")
	if out, err := s.Command("systemctl", "reload", "tunneld@hello").CombinedOutput(); err == nil {
		t.Errorf("the reload of a broken configuration succeeded: %s", out)
	}
	lab.Check(t, s.Echoes(addedAddress))
	if state := s.Property("tunneld@hello", "ActiveState"); state != "active" {
		t.Errorf("state %q after it, want active", state)
	}
	s.Write("/var/lib/tunneld/.ssh/config", s.config(""))
	s.Do("systemctl", "reload", "tunneld@hello")
}

// The service's ~/.ssh is not the administrator's: who has enabled it first learns where its configuration belongs.
func (s *service) missingAlias(t *testing.T) {
	s.Try("systemctl", "start", "tunneld@missing")
	s.Do("journalctl", "--sync")
	if out := s.Do("journalctl", "-u", "tunneld@missing", "-o", "cat"); !strings.Contains(out, "Host block with one to /var/lib/tunneld/.ssh/config") {
		t.Errorf("it says %s", out)
	}
}

// restarts waits until a unit has been started again after what do did to its process.
func (s *service) restarts(unit string, do func(pid string)) {
	s.t.Helper()
	before, pid := s.Property(unit, "NRestarts"), s.Property(unit, "MainPID")
	do(pid)
	s.WaitProperty(unit, "NRestarts", "more than "+before, func(now string) bool { return now != before })
	s.WaitProperty(unit, "ActiveState", "active", func(state string) bool { return state == "active" })
}

func (s *service) watchdogRestarts(t *testing.T) {
	s.restarts("tunneld@hello", func(pid string) { s.Do("sh", "-c", "kill -STOP "+pid) })
	lab.Check(t, s.Echoes(helloAddress))
}

func (s *service) crashRestarts(t *testing.T) {
	s.restarts("tunneld@hello", func(pid string) { s.Do("sh", "-c", "kill -KILL "+pid) })
	lab.Check(t, s.Echoes(helloAddress))
}

func (s *service) refusedStaysDown(t *testing.T) {
	const unit = "tunneld@changed"
	s.Try("systemctl", "start", unit) // it is ready before it learns of the key
	s.WaitProperty(unit, "ActiveState", "failed", func(state string) bool { return state == "failed" })
	if code := s.Property(unit, "ExecMainStatus"); code != "3" {
		t.Errorf("exit code %s, want 3", code)
	}
	lab.Never(t, 1500*time.Millisecond, "started again", func() bool { return s.Property(unit, "ActiveState") != "failed" })
	if n := s.Property(unit, "NRestarts"); n != "0" {
		t.Errorf("%s restarts, want none", n)
	}
}

func (s *service) credentialUnlocks(t *testing.T) {
	s.Do("systemctl", "start", "tunneld@locked")
	lab.Check(t, s.Echoes(lockedAddress))
}

func (s *service) stopLeavesOthers(t *testing.T) {
	s.Do("systemctl", "stop", "tunneld@locked")
	if result := s.Property("tunneld@locked", "Result"); result != "success" {
		t.Errorf("stopping ended with %q", result)
	}
	s.Do("tunneld", "health", "hello")
	if out, err := s.Command("tunneld", "status", "locked").CombinedOutput(); err == nil {
		t.Errorf("what was stopped is still shown: %s", out)
	}
}

// What the unit once advised, User= alone, gave /var/lib/tunneld and all keys in it to that user, and the other tunnels could
// not read them at their next cut.
func (s *service) runsAsAnother(t *testing.T) {
	const unit, dropIn = "tunneld@bobs", "/etc/systemd/system/tunneld@bobs.service.d"
	key := func() string {
		return s.Do("stat", "-Lc", "%u %a", "/var/lib/tunneld", "/var/lib/tunneld/.ssh/id_ed25519")
	}
	before := key()
	s.Do("useradd", "--create-home", "--uid", "2000", "bob")
	s.Do("sh", "-c", "cp -r /var/lib/tunneld/.ssh ~bob/ && chown -R bob: ~bob")
	s.Do("sh", "-c", "mkdir -p "+dropIn+" && tunneld unit --run-as bob bobs >"+dropIn+"/run-as.conf")
	s.Do("systemctl", "daemon-reload")
	s.verify(unit + ".service")
	s.hardened(unit + ".service")

	s.Do("systemctl", "start", unit)
	lab.Check(t, s.Echoes(bobAddress))
	if after := key(); after != before {
		t.Errorf("directory and key of the others have changed: %q, before %q", after, before)
	}
	if user := s.Do("stat", "-c", "%U", "/proc/"+s.Property(unit, "MainPID")); user != "bob" {
		t.Errorf("it runs as %q", user)
	}
	if modes := s.Do("stat", "-c", "%a %U", "/run/tunneld@bobs", "/var/lib/tunneld@bobs"); modes != "700 bob\n700 bob" {
		t.Errorf("its directories are %q", modes)
	}
	if out := s.Do("tunneld", "status"); !strings.Contains(out, "bobs") || !strings.Contains(out, "hello") {
		t.Errorf("root's status does not show them all: %s", out)
	}
	s.Do("tunneld", "reconnect", "hello")
	s.Do("tunneld", "reconnect", "bobs")
	s.Do("systemctl", "reload", unit)
	s.Do("systemctl", "restart", "tunneld@hello")
	lab.Check(t, s.Echoes(helloAddress))
	s.Do("runuser", "-u", "bob", "--", "tunneld", "health", "bobs")
	s.Do("systemctl", "stop", unit)
	if out := s.Try("ls", "-d", "/run/tunneld@bobs"); !strings.Contains(out, "No such file") {
		t.Errorf("the runtime directory is left: %s", out)
	}
	s.Do("tunneld", "health", "hello")
}

// systemd returns the directory to the service's user at the first start alone.
func (s *service) adoptsKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id_added")
	s.server.Authorize(lab.WriteKey(t, path))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.Write("/root/id_added", string(text))
	s.Do("install", "-m", "600", "/root/id_added", "/var/lib/tunneld/.ssh/id_added")
	s.Do("sh", "-c", "umask 077 && echo secret >/root/secret && ln /root/secret /var/lib/tunneld/.ssh/hard && ln -s /root/secret /var/lib/tunneld/.ssh/soft")
	s.Do("systemctl", "start", "tunneld@addedkey")
	lab.Check(t, s.Echoes(addedKeyAddr))
	if owner := s.Do("stat", "-Lc", "%u %a", "/root/secret", "/var/lib/tunneld/.ssh/soft"); owner != "0 600\n0 600" {
		t.Errorf("what the links lead to is now %q", owner)
	}
	s.Do("sh", "-c", "rm /var/lib/tunneld/.ssh/hard /var/lib/tunneld/.ssh/soft")
	s.Do("systemctl", "stop", "tunneld@addedkey")
}

func (s *service) socketSurvives(t *testing.T) {
	const unit = "tunneld@web"
	s.Do("systemctl", "enable", "--now", unit+".socket")
	if state := s.Property(unit, "ActiveState"); state != "inactive" {
		t.Errorf("state %q before the first client, want inactive", state)
	}
	lab.Check(t, s.Echoes(socketAddress))
	s.waitUp(t, unit)
	for _, end := range []func(){
		func() { s.Do("sh", "-c", "kill -KILL "+s.Property(unit, "MainPID")) },
		func() { s.Do("systemctl", "restart", "--no-block", unit) },
		func() { s.Do("systemctl", "stop", unit+".service") },
	} {
		before := s.Property(unit, "MainPID")
		end()
		lab.Check(t, s.Echoes(socketAddress)) // not refused in any moment
		s.WaitProperty(unit, "MainPID", "another process", func(now string) bool { return now != before && now != "0" })
		lab.Check(t, s.Echoes(socketAddress))
	}
	if out := s.Try("journalctl", "-u", unit); strings.Contains(out, "inherited") {
		t.Errorf("the sockets were not taken over: %s", out)
	}
}

func (s *service) userUnit(t *testing.T) {
	s.Do("useradd", "--create-home", "--uid", "1000", "alice")
	s.Do("sh", "-c", "cp -r /var/lib/tunneld/.ssh ~alice/ && mkdir -p ~alice/.config/systemd/user"+
		" && tunneld unit --user > ~alice/.config/systemd/user/tunneld@.service && chown -R alice: ~alice")
	s.Do("loginctl", "enable-linger", "alice")
	as := func(words ...string) []string {
		return append([]string{"runuser", "-u", "alice", "--", "env", "XDG_RUNTIME_DIR=/run/user/1000"}, words...)
	}
	lab.Eventually(t, lab.Patience, "alice's service manager runs", func() bool {
		return s.Try(as("systemctl", "--user", "is-system-running")...) == "running"
	})
	s.Do(as("systemctl", "--user", "enable", "--now", "tunneld@alice")...)
	lab.Check(t, s.Echoes(aliceAddress))
	s.Do(as("tunneld", "health", "alice")...)
	s.Do(as("systemctl", "--user", "reload", "tunneld@alice")...)
	if out, err := s.Command(as("tunneld", "health", "hello")...).CombinedOutput(); err == nil || !strings.Contains(string(out), "hint") {
		t.Errorf("alice sees root's tunnels: %s", out)
	}
}
