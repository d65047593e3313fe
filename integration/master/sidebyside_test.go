package master

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// unlike is what may differ: process IDs, ports that a server chose, names of terminals.
var unlike = regexp.MustCompile(`pid=\d+|/dev/pts/\d+|\b\d{4,5}\b`)

// Clients see no difference between tunneld and ssh as their master, whichever ssh they are.
func TestClientsOfBothMasters(t *testing.T) {
	for _, stock := range []string{oldest, newest} {
		t.Run(stock, func(t *testing.T) {
			t.Parallel()
			askBoth(t, stock)
		})
	}
}

func askBoth(t *testing.T, stock string) {
	ours, theirs := bothFor(t, stock, "SendEnv FOO")
	host, port, _ := net.SplitHostPort(lab.StartTarget(t, lab.Echo).Address())
	taken := filepath.Join(t.TempDir(), "taken")
	lab.WriteFile(t, taken, "")
	const free = "FREE" // stands for a port of each side's own
	ports := map[*side]string{ours: fmt.Sprint(lab.FreePort(t)), theirs: fmt.Sprint(lab.FreePort(t))}
	ask := func(s *side, input string, words []string) answer {
		words = slices.Clone(words)
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], free, ports[s])
		}
		return s.ssh(t, input, words...)
	}
	for _, test := range []struct {
		name, input string
		words       []string
	}{
		{"true", "", []string{lab.Alias, "true"}},
		{"exit status", "", []string{lab.Alias, "exit 7"}},
		{"255", "", []string{lab.Alias, "exit 255"}},
		{"both outputs", "", []string{lab.Alias, "echo out; echo err >&2; exit 3"}},
		{"killed", "", []string{lab.Alias, "kill -TERM $$"}},
		{"not found", "", []string{lab.Alias, "/no/such/command"}},
		{"input", "some\x00thing\n", []string{lab.Alias, "cat"}},
		{"input, unread", strings.Repeat("x", 300_000), []string{lab.Alias, "true"}},
		{"a shell", "echo hello; exit 4\n", []string{lab.Alias}},
		{"a shell without input", "", []string{lab.Alias}},
		{"environment", "", []string{lab.Alias, "echo $FOO"}},
		{"a terminal", "", []string{"-tt", lab.Alias, "test -t 0 && test -t 1 && echo terminal; exit 5"}},
		{"a terminal's type", "", []string{"-tt", lab.Alias, "echo $TERM"}},
		{"no terminal", "", []string{"-T", lab.Alias, "test -t 0 || echo none"}},
		{"quiet", "", []string{"-q", lab.Alias, "exit 9"}},
		{"no input", "", []string{"-n", lab.Alias, "cat; echo end"}},
		{"subsystem", "input", []string{"-s", lab.Alias, "copy"}},
		{"all bytes", allBytes(), []string{lab.Alias, "cat"}},
		{"the input's end", "some", []string{lab.Alias, "cat; echo end; exit 2"}},
		{"SIGHUP", "", []string{lab.Alias, "kill -HUP $$"}},
		{"no agent", "", []string{"-A", lab.Alias, "echo ${SSH_AUTH_SOCK:-none}"}},
		{"a long command", "", []string{lab.Alias, "echo " + strings.Repeat("y", 90_000)}},
		{"a child keeps the output", "", []string{lab.Alias, "sleep 0.3 & exit 6"}},
		{"check", "", []string{"-O", "check", lab.Alias}},
		{"-W", "ping", []string{"-W", host + ":" + port, lab.Alias}},
		{"-W to a port that is closed", "ping", []string{"-W", host + ":" + free, lab.Alias}},
		{"proxy mode", "input", []string{"-O", "proxy", lab.Alias, "cat; echo err >&2; exit 3"}},
		{"forward -L", "", []string{"-O", "forward", "-L", free + ":" + host + ":" + port, lab.Alias}},
		{"cancel -L", "", []string{"-O", "cancel", "-L", free + ":" + host + ":" + port, lab.Alias}},
		{"cancel -L again", "", []string{"-O", "cancel", "-L", free + ":" + host + ":" + port, lab.Alias}},
		{"forward -L to where something listens", "", []string{"-O", "forward", "-L", "127.0.0.1:" + port + ":" + host + ":" + port, lab.Alias}},
		{"forward -R", "", []string{"-O", "forward", "-R", free + ":" + host + ":" + port, lab.Alias}},
		{"cancel -R", "", []string{"-O", "cancel", "-R", free + ":" + host + ":" + port, lab.Alias}},
		{"forward -R to where something is", "", []string{"-O", "forward", "-R", taken + ":" + host + ":" + port, lab.Alias}},
		{"forward -R 0", "", []string{"-O", "forward", "-R", "0:" + host + ":" + port, lab.Alias}},
		{"cancel -R 0", "", []string{"-O", "cancel", "-R", "0:" + host + ":" + port, lab.Alias}},
		{"forward -R as a proxy", "", []string{"-O", "forward", "-R", free, lab.Alias}},
		{"cancel -R as a proxy", "", []string{"-O", "cancel", "-R", free, lab.Alias}},
		{"forward -D", "", []string{"-O", "forward", "-D", free, lab.Alias}},
		{"cancel -D", "", []string{"-O", "cancel", "-D", free, lab.Alias}},
		{"stop", "", []string{"-O", "stop", lab.Alias}},
		{"check after stop", "", []string{"-O", "check", lab.Alias}},
	} {
		before := ours.Relay.Count()
		want, got := ask(theirs, test.input, test.words), ask(ours, test.input, test.words)
		for _, a := range []*answer{&want, &got} {
			a.out = strings.ReplaceAll(a.out, "\r\n", "\n") // ssh asks for a terminal with all modes off where its client has none
			a.out, a.err = unlike.ReplaceAllString(a.out, "#"), unlike.ReplaceAllString(a.err, "#")
			a.err = strings.NewReplacer(ours.socket, "SOCKET", theirs.socket, "SOCKET").Replace(a.err)
		}
		if got != want {
			t.Errorf("%s: with tunneld\n%v\nwith ssh's own master\n%v", test.name, got, want)
		}
		if now := ours.Relay.Count(); now != before && !strings.Contains(test.name, "stop") {
			t.Errorf("%s: %d connections of its own", test.name, now-before)
		}
	}
}

func allBytes() string {
	var b strings.Builder
	for i := range 256 {
		b.WriteByte(byte(i))
	}
	return strings.Repeat(b.String(), 1000)
}

// OpenSSH's own master has no word for it.
func TestNoSuchSubsystem(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	if a := s.ssh(t, "", "-s", lab.Alias, "nothing"); a != (answer{err: "subsystem request failed\r\n", code: 255}) {
		t.Error(a)
	}
}

func TestTerminate(t *testing.T) {
	t.Parallel()
	ours, theirs := both(t)
	want, got := theirs.ssh(t, "", "-O", "exit", lab.Alias), ours.ssh(t, "", "-O", "exit", lab.Alias)
	if got != want {
		t.Errorf("with tunneld\n%v\nwith ssh's own master\n%v", got, want)
	}
	if code := ours.master.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("tunneld ends with %d", code)
	}
	if said := ours.master.Matching(lab.Said("stopping")); len(said) != 1 {
		t.Errorf("it says %d times why it stops: %v", len(said), said)
	}
	if _, err := os.Lstat(ours.socket); err == nil {
		t.Error("the socket is left")
	}
}
