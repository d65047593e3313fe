package master

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// unixEcho is an echo server on a Unix socket.
func unixEcho(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "echo")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(struct{ io.Writer }{conn}, conn)
			}()
		}
	}()
	return path
}

// forwarding is where one that carries can be reached.
type forwarding struct {
	network, address string
	target           string // that is asked for by SOCKS; empty: it is fixed
}

func (f forwarding) carries() bool { return echoes(f.network, f.address, f.target) }

// everyKind returns lines of ssh_config(5) for a forward of each kind, and where they are reached, but for the last: the server
// chooses its port.
func everyKind(t *testing.T) (lines []string, list []forwarding) {
	t.Helper()
	echo, path := lab.StartTarget(t, lab.Echo).Address(), unixEcho(t)
	dir := t.TempDir()
	for i, kind := range []struct{ line, target string }{
		{"LocalForward PORT " + echo, ""}, {"LocalForward PORT " + path, ""},
		{"LocalForward PATH " + echo, ""}, {"LocalForward PATH " + path, ""},
		{"RemoteForward PORT " + echo, ""}, {"RemoteForward PORT " + path, ""},
		{"RemoteForward PATH " + echo, ""}, {"RemoteForward PATH " + path, ""},
		{"DynamicForward PORT", echo}, {"RemoteForward PORT", echo},
	} {
		socket, port := filepath.Join(dir, fmt.Sprint(i)), lab.FreePort(t)
		lines = append(lines, strings.NewReplacer("PATH", socket, "PORT", fmt.Sprint(port)).Replace(kind.line))
		if strings.Contains(kind.line, "PATH") {
			list = append(list, forwarding{"unix", socket, kind.target})
		} else {
			list = append(list, forwarding{"tcp", lab.Loopback(port), kind.target})
		}
	}
	return append(lines, "RemoteForward 0 "+echo), list
}

// An alias may have forwards of every kind. ssh asks a master for all of them before its session: they are there, ssh rides
// without a word, and neither its end nor `ssh -O cancel`, which takes all of them along, ends one.
func TestAliasWithForwardsOfEveryKind(t *testing.T) {
	t.Parallel()
	lab.Need(t, newest)
	lines, list := everyKind(t)
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), lines...)
	carry := func(when string) {
		t.Helper()
		for i, f := range list {
			if !lab.Within(lab.Patience, f.carries) {
				t.Errorf("%s: %s does not carry", when, lines[i])
			}
		}
	}
	carry("at first")
	for _, s.stock = range []string{oldest, newest} {
		if a := s.ssh(t, "", lab.Alias, "echo rode"); a != (answer{out: "rode\n"}) {
			t.Errorf("%s: %v", s.stock, a)
		}
		carry("after a session of " + s.stock)
		spec := fmt.Sprintf("%d:localhost:1", lab.FreePort(t))
		s.must(t, "", s.words("-O", "forward", "-L", spec, lab.Alias)...)
		if a := s.ssh(t, "", "-O", "cancel", "-L", spec, lab.Alias); a.code != 0 {
			t.Errorf("%s: %v", s.stock, a)
		}
		carry("after -O cancel of " + s.stock)
	}
	if text := s.expect(t, 0, "", "status", "--json"); strings.Contains(text, `"added": true`) {
		t.Errorf("a forward was added: %s", text)
	}
	if count := s.Relay.Count(); count != 1 {
		t.Errorf("%d connections", count)
	}
}

// What each ssh asks for with -O carries: ports and Unix sockets at both ends, and SOCKS. -O forward and `tunneld cancel` speak
// of the same forwards, and so do `tunneld forward` and -O cancel.
func TestForwardsOfClients(t *testing.T) {
	t.Parallel()
	lab.Need(t, newest)
	echo, path := lab.StartTarget(t, lab.Echo).Address(), unixEcho(t)
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	port := fmt.Sprint(lab.FreePort(t))
	there := forwarding{"tcp", "127.0.0.1:" + port, ""}
	socks := forwarding{"tcp", "127.0.0.1:" + port, echo}
	at := func(name string) (socket string, f forwarding) {
		socket = s.Account.Path(name)
		return socket, forwarding{"unix", socket, ""}
	}
	ssh := func(ask string) []string { return s.words("-O", ask) }
	own := func(ask string) []string { return []string{s.Account.Binary(), ask} }
	for _, s.stock = range []string{oldest, newest} {
		local, atLocal := at("local")
		one, atOne := at("one." + s.stock) // sshd leaves it
		two, atTwo := at("two." + s.stock)
		for i, c := range []struct {
			flag, spec  string
			at          forwarding
			open, close func(string) []string
		}{
			{"-L", local + ":" + echo, atLocal, ssh, ssh},
			{"-L", local + ":" + path, atLocal, ssh, own},
			{"-L", port + ":" + path, there, own, ssh},
			{"-R", one + ":" + echo, atOne, ssh, ssh},
			{"-R", two + ":" + path, atTwo, own, ssh},
			{"-R", port + ":" + path, there, ssh, own},
			{"-D", port, socks, ssh, own},
			{"-R", port, socks, own, ssh},
		} {
			words := []string{c.flag, c.spec, lab.Alias}
			s.must(t, "", append(c.open("forward"), words...)...)
			if !c.at.carries() {
				t.Errorf("%s, %d: %s %s does not carry", s.stock, i, c.flag, c.spec)
			}
			s.must(t, "", append(c.close("cancel"), words...)...)
			if c.at.carries() || c.at == atLocal && fileExists(local) {
				t.Errorf("%s, %d: %s %s is not taken away", s.stock, i, c.flag, c.spec)
			}
		}
		words := []string{"-R", "0:" + echo, lab.Alias}
		chosen := strings.TrimSpace(s.must(t, "", append(ssh("forward"), words...)...).out)
		if again := strings.TrimSpace(s.must(t, "", append(ssh("forward"), words...)...).out); !echoes("tcp", "127.0.0.1:"+chosen, "") || again != chosen {
			t.Errorf("%s: the server's choice is %q, and then %q", s.stock, chosen, again)
		}
		s.must(t, "", append(ssh("cancel"), words...)...)
		lab.Eventually(t, lab.Patience, "nobody listens at the server's choice", func() bool { return !lab.Accepts("127.0.0.1:" + chosen) })
	}
	nothing, _ := at("nothing")
	if a := s.ssh(t, "ping", "-W", path, lab.Alias); a != (answer{out: "ping"}) { // the newest: others want a host and a port
		t.Errorf("-W %s: %v", path, a)
	}
	if a := s.ssh(t, "ping", "-W", nothing, lab.Alias); a.code != 255 || a.out != "" {
		t.Errorf("-W to where nothing is: %v", a)
	}
	if count := s.Relay.Count(); count != 1 {
		t.Errorf("%d connections", count)
	}
}

// `tunneld forward` and `tunneld cancel` need no ControlPath.
func TestForwardWithoutAControlPath(t *testing.T) {
	t.Parallel()
	echo, own := lab.StartTarget(t, lab.Echo).Address(), lab.FreePort(t)
	s := &side{Lab: lab.New(t, fmt.Sprintf("LocalForward %d %s", own, echo)), name: string(lab.Tunneld)}
	s.master = s.Start(lab.Tunneld)
	lab.WaitUp(t, s.master, 0)
	local, dynamic, remote := lab.FreePort(t), lab.FreePort(t), lab.FreePort(t)
	specs := []string{"-L", fmt.Sprintf("%d:%s", local, echo), "-D", fmt.Sprint(dynamic), "-R", fmt.Sprintf("%d:%s", remote, echo)}
	list := []forwarding{{"tcp", lab.Loopback(local), ""}, {"tcp", lab.Loopback(dynamic), echo}, {"tcp", lab.Loopback(remote), ""}}
	s.expect(t, 0, "listens on", append([]string{"forward", lab.Alias}, specs...)...)
	mark := s.master.Mark()
	s.Relay.Cut()
	lab.WaitUp(t, s.master, mark)
	for i, f := range list {
		if !lab.Within(lab.Patience, f.carries) {
			t.Errorf("after a cut %s does not carry", strings.Join(specs[2*i:2*i+2], " "))
		}
	}
	s.expect(t, 0, "taken away", append([]string{"cancel", lab.Alias}, specs...)...)
	for i, f := range list {
		if !lab.Within(lab.Patience, func() bool { return !lab.Accepts(f.address) }) {
			t.Errorf("%s is not taken away", strings.Join(specs[2*i:2*i+2], " "))
		}
	}
	if !echoes("tcp", lab.Loopback(own), "") {
		t.Error("the forward of the configuration has gone")
	}
}
