package master

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/integration/lab"
)

// hop is a tunnel to a bastion, and an alias "inner" for a second server that is reached through it.
type hop struct {
	*side
	inner *lab.Sshd
}

func startHop(t *testing.T, lines ...string) *hop {
	t.Helper()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), append(lines, "TunneldEcho off", "TunneldBackoffMax 1s")...)
	h := &hop{s, lab.StartSSHD(t, "KexAlgorithms sntrup761x25519-sha512@openssh.com")} // newer ones warn of others
	h.inner.Authorize(s.Account.Key)
	s.Account.Trust(h.inner.Address(), h.inner.HostKey)
	for alias, flags := range map[string][2]string{"inner": {"no", ""}, "carried": {"no", "--fdpass=false "}, "passed": {"yes", ""}, "handed": {"yes", "--fdpass "}} {
		s.Account.Host(alias, h.inner.Port, "ProxyCommand "+s.Account.Binary()+" connect "+flags[1]+lab.Alias+" %h %p", "ProxyUseFdpass "+flags[0])
	}
	config := s.Account.Path("config")
	lab.WriteFile(t, config, "IgnoreUnknown Tunneld*\n"+lab.ReadFile(t, config))
	return h
}

// channels is how many the connection to the bastion has open.
func (h *hop) channels(t *testing.T) int {
	t.Helper()
	text, _ := h.Account.Ask("status", "--json")
	var s struct {
		Tunnels []struct{ Sessions []struct{ Open int } }
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	n := 0
	for _, one := range s.Tunnels {
		for _, session := range one.Sessions {
			n += session.Open
		}
	}
	return n
}

// ssh reaches a server behind the tunnel, through a helper that carries the bytes and through one that hands the socket over,
// whatever the ssh is called: the newest runs under the name of a loader. Nothing has to say which it is, and something may.
func TestProxyCommand(t *testing.T) {
	t.Parallel()
	lab.Need(t, newest)
	h := startHop(t)
	data := make([]byte, 3<<20)
	rand.Read(data)
	before, turns := h.Relay.Count(), 0
	for _, h.stock = range []string{oldest, newest} {
		for alias, helpers := range map[string]int{"inner": 1, "carried": 1, "passed": 0, "handed": 0} {
			name := h.stock + " " + alias
			cmd := h.client(t.Context(), h.words(alias, "cat; exit 7")...)
			in, out, complaints := startPiped(t, cmd)
			in.Write(data[:1])
			if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
				cmd.Wait()
				t.Fatalf("%s: %v\n%s", name, err, complaints)
			}
			if n := len(lab.ProcessTree(cmd.Process.Pid).Below()); n != helpers {
				t.Errorf("%s: %d helpers run, want %d", name, n, helpers)
			}
			h.Account.Expect(0, "reconnected", "reconnect", lab.Alias) // which no running connection notices
			turns++
			go func() { in.Write(data[1:]); in.Close() }()
			if got, err := io.ReadAll(out); !bytes.Equal(got, data[1:]) || err != nil {
				t.Errorf("%s: %d of %d bytes, %v", name, len(got)+1, len(data), err)
			}
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 7 || complaints.Len() > 0 {
				t.Errorf("%s: exit %d\n%s", name, code, complaints)
			}
		}
	}
	if now := h.Relay.Count(); now != before+turns {
		t.Errorf("%d connections to the bastion beside the replacements", now-before-turns)
	}
}

// A flag that does not go with ProxyUseFdpass is an error that says so.
func TestProxyCommandWithTheWrongFlag(t *testing.T) {
	t.Parallel()
	h := startHop(t)
	h.Account.Host("wrong", h.inner.Port, "ProxyCommand "+h.Account.Binary()+" connect --fdpass "+lab.Alias+" %h %p")
	if a := h.ssh(t, "", "wrong", "true"); a.code != 255 || !strings.Contains(a.err, "hint: write ProxyUseFdpass yes beside the ProxyCommand") {
		t.Errorf("%v", a)
	}
}

// The end of ssh, however it comes, is the end of its channel, though the server behind it says nothing.
func TestProxyCommandEndsWithItsSSH(t *testing.T) {
	t.Parallel()
	h := startHop(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() // it accepts and never says a word
	for _, alias := range []string{"inner", "passed"} {
		cmd := h.client(t.Context(), "ssh", "-F", h.Account.Path("config"), "-p", fmt.Sprint(silent.Addr().(*net.TCPAddr).Port), alias, "true")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lab.Eventually(t, lab.Patience, alias+" is connected", func() bool { return h.channels(t) == 1 })
		helpers := lab.ProcessTree(cmd.Process.Pid).Below()
		cmd.Process.Kill()
		cmd.Wait()
		lab.Eventually(t, lab.Patience, alias+" has left its channel", func() bool { return h.channels(t) == 0 })
		helpers.Signal(unix.SIGKILL) // ssh takes its helper along when it can
	}
}

func TestConnectInAnOutage(t *testing.T) {
	t.Parallel()
	h := startHop(t, "TunneldHold 1m")
	h.Relay.SetRefuse(true)
	h.Relay.Cut()
	lab.WaitFailed(t, h.master, 1)
	held := make(chan answer, 2)
	for _, alias := range []string{"inner", "passed"} {
		go func() { held <- h.ssh(t, "", alias, "echo held") }()
	}
	lab.Never(t, 500*time.Millisecond, "one ends in the outage", func() bool { return len(held) > 0 })
	h.Relay.SetRefuse(false)
	for range 2 {
		if a := <-held; a != (answer{out: "held\n"}) {
			t.Errorf("a held connection: %v", a)
		}
	}
}

func TestConnectAfterTheHoldTime(t *testing.T) {
	t.Parallel()
	h := startHop(t, "TunneldHold 1s")
	h.Relay.SetRefuse(true)
	h.Relay.Cut()
	lab.WaitFailed(t, h.master, 1)
	h.Account.Expect(255, "server: .*the tunnel did not come back within the hold time", "connect", lab.Alias, "127.0.0.1", "22")
	if a := h.ssh(t, "", "passed", "true"); a.code != 255 || !strings.Contains(a.err, "within the hold time") {
		t.Errorf("%v", a)
	}
}

// What is cut off looks so, to ssh and in an exit code.
func TestConnectIsCut(t *testing.T) {
	t.Parallel()
	h := startHop(t)
	for _, words := range [][]string{
		{"ssh", "-F", h.Account.Path("config"), "inner", "echo began; cat"}, {"ssh", "-F", h.Account.Path("config"), "passed", "echo began; cat"},
		{h.Account.Binary(), "connect", lab.Alias, "127.0.0.1", fmt.Sprint(h.inner.Port)},
	} {
		cmd := h.client(t.Context(), words...)
		in, out, complaints := startPiped(t, cmd)
		if _, err := io.ReadFull(out, make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		mark := h.master.Mark()
		h.Relay.Cut()
		io.Copy(io.Discard, out)
		cmd.Wait()
		in.Close()
		if code := cmd.ProcessState.ExitCode(); code != 255 || complaints.Len() == 0 {
			t.Errorf("%s: exit %d, and it says %q", words[0], code, complaints.String())
		}
		lab.WaitUp(t, h.master, mark)
	}
}

// Every kind of address, through bytes that are carried both ways and half-closed.
func TestConnectTargets(t *testing.T) {
	t.Parallel()
	h := startHop(t)
	path := filepath.Join(t.TempDir(), "socket")
	for address, network := range map[string]string{"127.0.0.1:0": "tcp", "[::1]:0": "tcp", path: "unix"} {
		l, err := net.Listen(network, address)
		if err != nil && address == "[::1]:0" {
			continue // no IPv6 here
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					request, _ := io.ReadAll(conn)
					fmt.Fprintf(conn, "got %s", request)
				}()
			}
		}()
		targets := [][]string{{path}}
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			port := fmt.Sprint(tcp.Port)
			targets = [][]string{{tcp.IP.String(), port}, {"[" + tcp.IP.String() + "]", port}}
		}
		for _, words := range targets {
			a := h.run(t, "request", append([]string{h.Account.Binary(), "connect", lab.Alias}, words...)...)
			if a != (answer{out: "got request"}) {
				t.Errorf("%v: %v", words, a)
			}
		}
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	h := startHop(t)
	closed := fmt.Sprint(lab.FreePort(t))
	for _, c := range []struct {
		says  string
		code  int
		words []string
	}{
		{"^tunneld: server: 127.0.0.1:" + closed + ": open failed: connect failed: Connection refused\n$", 255, []string{lab.Alias, "127.0.0.1", closed}},
		{"^tunneld: sevrer: no tunnel of that name is running\ntunneld: hint: did you mean server", 255, []string{"sevrer", "h", "22"}},
		{"^tunneld: .*want NAME HOST PORT", 2, []string{lab.Alias, "h"}},
		{"^tunneld: h ssh: want a host and a port", 2, []string{lab.Alias, "h", "ssh"}},
		{"^tunneld: h 0: want a host and a port", 2, []string{lab.Alias, "h", "0"}},
	} {
		h.Account.Expect(c.code, c.says, append([]string{"connect"}, c.words...)...)
	}
	if a := h.ssh(t, "", "-p", closed, "passed", "true"); a.code != 255 || !strings.Contains(a.err, "connect failed: Connection refused") {
		t.Errorf("through ssh: %v", a)
	}
	h.Account.Expect(0, "stopped", "down", lab.Alias)
	h.Account.Expect(255, "^tunneld: server: no tunnel is running\ntunneld: hint: start one", "connect", lab.Alias, "h", "22")
}

// A program that gives its helper a pair of sockets to carry bytes through it, as libssh does, gets bytes; --fdpass says
// otherwise.
func TestConnectOverAPairOfSockets(t *testing.T) {
	t.Parallel()
	h := startHop(t)
	for flag, want := range map[string]string{"--fdpass=false": "SSH-", "": "SSH-", "--fdpass": "\x00"} {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
		words := []string{"connect", lab.Alias, "127.0.0.1", fmt.Sprint(h.inner.Port)}
		if flag != "" {
			words = append(words, flag)
		}
		cmd := exec.Command(h.Account.Binary(), words...)
		cmd.Env, cmd.Stdin, cmd.Stdout = h.Account.Environment(), theirs, theirs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		theirs.Close()
		first := make([]byte, len(want))
		if _, err := io.ReadFull(ours, first); err != nil || string(first) != want {
			t.Errorf("%q: %q, %v", flag, first, err)
		}
		ours.Close()
		cmd.Wait()
	}
	lab.Eventually(t, lab.Patience, "nothing is left of them", func() bool { return h.channels(t) == 0 })
}

// The end of the tunnel is not held up for longer than TunneldDrain, and is told as a cut; who is still held is told why.
func TestConnectWhenTheTunnelStops(t *testing.T) {
	t.Parallel()
	h := startHop(t, "TunneldDrain 1s", "TunneldHold 1m")
	begin := func(port int) (cmd *exec.Cmd, said *bytes.Buffer) {
		cmd, said = h.client(t.Context(), h.Account.Binary(), "connect", lab.Alias, "127.0.0.1", fmt.Sprint(port)), new(bytes.Buffer)
		cmd.Stderr = said
		in, err := cmd.StdinPipe() // which does not end
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close() })
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, said
	}
	open, cut := begin(h.inner.Port)
	lab.Eventually(t, lab.Patience, "it is open", func() bool { return h.channels(t) == 1 })
	h.Account.Expect(0, "stopped", "down", lab.Alias)
	open.Wait()
	if code := open.ProcessState.ExitCode(); code != 255 || !strings.Contains(cut.String(), "the connection was cut") {
		t.Errorf("open: exit %d\n%s", code, cut)
	}
	h.master.WaitExit(t, lab.Patience)

	h.start(t, lab.Tunneld)
	h.Relay.SetRefuse(true)
	h.Relay.Cut()
	lab.WaitFailed(t, h.master, 1)
	held, why := begin(h.inner.Port)
	lab.Never(t, 300*time.Millisecond, "it ends", func() bool { return !lab.Lives(held.Process.Pid) })
	h.Account.Expect(0, "stopped", "down", lab.Alias)
	held.Wait()
	if code := held.ProcessState.ExitCode(); code != 255 || !strings.Contains(why.String(), "the tunnel is being stopped") {
		t.Errorf("held: exit %d\n%s", code, why)
	}
}

// startPiped starts a program whose three standard files are ours. What it complains of may be read when it has ended.
func startPiped(t *testing.T, cmd *exec.Cmd) (in io.WriteCloser, out io.ReadCloser, complaints *bytes.Buffer) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if out, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	complaints = new(bytes.Buffer)
	cmd.Stderr = complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return in, out, complaints
}
