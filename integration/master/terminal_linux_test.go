package master

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/integration/lab"
)

// onTerminals runs each ssh on a terminal with each master, and compares what the screens have shown in the end.
func onTerminals(t *testing.T, words []string, change func(*unix.Termios), do func(t *testing.T, s *side, m *lab.Terminal)) {
	t.Helper()
	for _, stock := range []string{oldest, newest} {
		t.Run(stock, func(t *testing.T) {
			t.Parallel()
			ours, theirs := bothFor(t, stock)
			compareScreens(t, ours, theirs, words, change, do)
		})
	}
}

func compareScreens(t *testing.T, ours, theirs *side, words []string, change func(*unix.Termios), do func(t *testing.T, s *side, m *lab.Terminal)) {
	t.Helper()
	var screens []string
	for _, s := range []*side{theirs, ours} {
		before := s.Relay.Count()
		m := lab.NewTerminal(t, 80, 24, change)
		cmd := s.client(t.Context(), s.words(words...)...)
		cmd.Env = append(cmd.Env, "TERM=vt220")
		m.Start(cmd)
		do(t, s, m)
		shown := strings.ReplaceAll(m.Shown(), "\r\r\n", "\r\n") // ssh may be late to make the terminal raw
		screens = append(screens, unlike.ReplaceAllString(shown, "#"))
		if now := s.Relay.Count(); now != before {
			t.Errorf("%s: the client did not ride", s.name)
		}
	}
	if screens[0] != screens[1] {
		t.Errorf("with ssh's own master\n%q\nwith tunneld\n%q", screens[0], screens[1])
	}
}

func ends(t *testing.T, s *side, m *lab.Terminal, want int, says string) {
	t.Helper()
	if code := m.End(); code != want {
		t.Errorf("%s: ended with %d, want %d", s.name, code, want)
	}
	m.Wait(says)
}

const closing = "Shared connection to 127.0.0.1 closed."

func TestModesAndSizeOfATerminal(t *testing.T) {
	t.Parallel()
	odd := func(state *unix.Termios) {
		state.Cc[unix.VERASE] = 8
		state.Iflag |= unix.IXANY
		state.Oflag &^= unix.ONLCR
	}
	onTerminals(t, []string{"-t", lab.Alias, "echo $TERM; stty -a; exit 5"}, odd, func(t *testing.T, s *side, m *lab.Terminal) { ends(t, s, m, 5, closing) })
}

func TestWindowOfAClientChanges(t *testing.T) {
	t.Parallel()
	onTerminals(t, []string{"-t", lab.Alias, `trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.1; done`}, nil, func(t *testing.T, s *side, m *lab.Terminal) {
		m.Wait("ready")
		lab.Eventually(t, lab.Patience, "raw", m.IsRaw) // before, ssh does not listen to the signal
		m.Resize(111, 33)
		ends(t, s, m, 3, closing)
		m.Wait("33 111")
	})
}

func TestKeysOfAClient(t *testing.T) {
	t.Parallel()
	onTerminals(t, []string{"-t", lab.Alias, `trap 'echo interrupted; exit 4' INT; echo ready; read x; echo "got $x"; while :; do sleep 0.1; done`}, nil, func(t *testing.T, s *side, m *lab.Terminal) {
		m.Wait("ready")
		lab.Eventually(t, lab.Patience, "raw", m.IsRaw)
		m.Type("a~.b\r")
		m.Wait("got a~.b")
		m.Type("\x03")
		ends(t, s, m, 4, closing)
	})
}

func TestEscapeEndsASession(t *testing.T) {
	t.Parallel()
	onTerminals(t, []string{"-t", lab.Alias, "echo ready; exec cat"}, nil, func(t *testing.T, s *side, m *lab.Terminal) {
		m.Wait("ready")
		lab.Eventually(t, lab.Patience, "raw", m.IsRaw)
		m.Type("~~\r")
		m.Wait("~\r\n~\r\n")
		m.Type("~\x1a")
		m.Wait("~^Z escape not available to multiplexed sessions")
		m.Type("~.")
		ends(t, s, m, 255, closing)
	})
}

// A program that is killed by a signal, and one whose client is.
func TestHangUp(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	proof := s.Account.Path("hung-up")
	m := lab.NewTerminal(t, 80, 24, nil)
	cmd := s.client(t.Context(), "ssh", "-F", s.Account.Path("config"), "-t", lab.Alias, fmt.Sprintf("trap 'touch %s; exit' HUP; echo ready; while :; do sleep 0.1; done", proof))
	m.Start(cmd)
	m.Wait("ready")
	cmd.Process.Kill()
	lab.Eventually(t, lab.Patience, "the command is hung up on", func() bool { return fileExists(proof) })
	if !strings.Contains(m.Shown(), "ready") {
		t.Error(m.Shown())
	}
}
