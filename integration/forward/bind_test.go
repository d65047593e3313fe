package forward

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bindForms are the ways to say where a forward listens; %d is the port, OWN an address of an interface.
var bindForms = []string{
	"%d", "localhost:%d", "127.0.0.1:%d", "[::1]:%d", "127.0.0.7:%d", ":%d", "*:%d", "0.0.0.0:%d", "[::]:%d", "OWN:%d",
	"[localhost]:%d", "[]:%d", "[*]:%d",
}

// Every form of a bind address, for every kind of forward, listens where it does with ssh and the same options.
func TestBindAddressesAsSSH(t *testing.T) {
	t.Parallel()
	n := lab.NewNetwork(t)
	server := n.StartSSHD("GatewayPorts clientspecified")
	a := lab.NewAccount(t)
	server.Authorize(a.Key)
	a.Trust(fmt.Sprintf("%s:%d", n.Address, server.Port), server.HostKey)
	a.Host(lab.Alias, server.Port, "HostName "+n.Address)
	l := &lab.Lab{T: t, Server: server, Account: a, Prefix: []string{"ip", "netns", "exec", n.Client}}
	for _, options := range [][]string{nil, {"-g"}, {"-o", "GatewayPorts=yes"}, {"-4"}} {
		t.Run(strings.Join(options, " "), func(t *testing.T) {
			if n := len(bindFormsAsSSH(t, n, l, options)); n < 3*8 {
				t.Errorf("only %d forwards were compared", n)
			}
		})
	}
}

// bindFormsAsSSH runs both programs with all forms at once and returns where ssh listens.
func bindFormsAsSSH(t *testing.T, n *lab.Network, l *lab.Lab, options []string) map[string][]string {
	t.Helper()
	flags := slices.Clone(options)
	port := 4000
	for _, option := range []string{"-L", "-D", "-R"} {
		own := map[string]string{"-R": n.Address}[option]
		if own == "" {
			own = n.Own
		}
		for _, form := range bindForms {
			if slices.Contains(options, "-4") && strings.Contains(form, "::") {
				continue // both refuse; see TestForwardsThatSSHRefuses
			}
			port++
			spec := strings.ReplaceAll(fmt.Sprintf(form, port), "OWN", own)
			if option != "-D" {
				spec += ":127.0.0.1:9"
			}
			flags = append(flags, option, spec)
		}
	}
	last := func(of map[string][]string) bool { return len(of[fmt.Sprint(port)]) > 0 }
	listening := func() map[string][]string { return n.Listening(4000, port) }

	ssh := l.Start(lab.OpenSSH, flags...)
	lab.Eventually(t, lab.Patience, "ssh listens", func() bool { return last(listening()) || !ssh.Running() })
	want := listening()
	ssh.Kill()
	lab.Eventually(t, lab.Patience, "ssh's ports are free", func() bool { return len(listening()) == 0 })
	ours := l.Start(lab.Tunneld, flags...)
	if !lab.Within(lab.Patience, func() bool { return fmt.Sprint(listening()) == fmt.Sprint(want) }) {
		for port, addresses := range listening() {
			if !slices.Equal(addresses, want[port]) {
				t.Errorf("port %s: tunneld listens on %v, ssh on %v", port, addresses, want[port])
			}
		}
		t.Errorf("tunneld listens on %d ports, ssh on %d, with %v", len(listening()), len(want), flags)
	}
	ours.Kill()
	lab.Eventually(t, lab.Patience, "our ports are free", func() bool { return len(listening()) == 0 })
	return want
}

// What ssh refuses, tunneld refuses as well.
func TestForwardsThatSSHRefuses(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	taken, err := net.Listen("tcp", lab.Loopback(lab.FreePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	live, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	port := fmt.Sprint(lab.FreePort(t))
	for _, flags := range [][]string{
		{"-L", "0:127.0.0.1:9"}, {"-D", "0"}, {"-L", "70000:127.0.0.1:9"}, {"-R", "70000:127.0.0.1:9"},
		{"-L", port}, {"-L", port + ":127.0.0.1"}, {"-L", port + ":127.0.0.1:0"}, {"-L", "[::1:" + port + ":127.0.0.1:9"},
		{"-L", "no-such-service:127.0.0.1:9"}, {"-D", port + ":127.0.0.1:9"}, {"-L", "a:b:c:d:e"}, {"-L", ""},
		{"-4", "-L", "[::1]:" + port + ":127.0.0.1:9"}, {"-L", "192.0.2.77:" + port + ":127.0.0.1:9"}, {"-L", "no.such.name.invalid:" + port + ":127.0.0.1:9"},
		{"-L", taken.Addr().String() + ":127.0.0.1:9"}, {"-D", taken.Addr().String()},
		{"-L", "/no/such/directory/s:127.0.0.1:9"}, {"-L", live.Addr().String() + ":127.0.0.1:9"},
		{"-L", "/tmp/" + strings.Repeat("x", 110) + ":127.0.0.1:9"},
	} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			if code := l.Start(lab.OpenSSH, flags...).WaitExit(t, lab.Patience); code != 255 {
				t.Errorf("ssh ended with %d, want 255", code)
			}
			if code := l.Start(lab.Tunneld, flags...).WaitExit(t, lab.Patience); code != 2 {
				t.Errorf("tunneld ended with %d, want 2", code)
			}
		})
	}
}

// PermitRemoteOpen says where clients at the server may go through -R without a target.
func TestPermitRemoteOpenAsSSH(t *testing.T) {
	target, other := lab.StartTarget(t, lab.Echo).Address(), lab.StartTarget(t, lab.Echo).Address()
	_, port, _ := net.SplitHostPort(target)
	for _, c := range []struct {
		rule                  string
		target, byName, other bool // may be reached
	}{
		{"any", true, true, true},
		{"none", false, false, false},
		{target, true, false, false},
		{"localhost:" + port, false, true, false},
		{"*:" + port, true, true, false},
		{"127.0.0.1:*", true, false, true},
		{"*:*", true, true, true},
	} {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			for _, p := range carriers {
				address := lab.Loopback(lab.FreePort(t))
				way := lab.Route{Name: "R", Flags: []string{"-R", address}, Network: "tcp", Address: address, Agree: lab.Nothing}
				l.Open(p, []lab.Route{way}, "-o", "PermitRemoteOpen="+c.rule)
				for to, want := range map[string]bool{target: c.target, "localhost:" + port: c.byName, other: c.other} {
					if err := way.Towards(lab.Socks5(to)).Works(lab.Patience); (err == nil) != want {
						t.Errorf("%s towards %s: %v, want success %v", p, to, err, want)
					}
				}
			}
		})
	}
}
