package master

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh/agent"

	"github.com/tunneld/tunneld/integration/lab"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// agentWith starts an agent with one key of that name, and returns its socket.
func agentWith(t *testing.T, name string) (socket string) {
	t.Helper()
	_, key, _ := ed25519.GenerateKey(nil)
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key, Comment: name}); err != nil {
		t.Fatal(err)
	}
	return serveAgent(t, ring)
}

// serveAgent serves an agent until the end of the test, and returns its socket.
func serveAgent(t *testing.T, served agent.Agent) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go sshtest.ServeAgent(listener, served)
	return socket
}

// The agent that a session has is the master's, and only where the alias says so. A client that wants none has none.
func TestAgentOfTheMaster(t *testing.T) {
	t.Parallel()
	lab.Need(t, "ssh-add")
	const asked = "ssh-add -l 2>&1 | sed 's/.*SHA256:[^ ]* //'"
	ours, theirs := both(t, "ForwardAgent "+agentWith(t, "of-the-master"))
	for _, s := range []*side{theirs, ours} {
		for _, test := range []struct {
			name, flag, says string
		}{
			{"a client that wants none", "-a", "Could not open a connection to your authentication agent.\n"},
			{"a client that wants one", "-A", "of-the-master (ED25519)\n"},
			{"a client with an agent of its own", "-oForwardAgent=" + agentWith(t, "of-the-client"), "of-the-master (ED25519)\n"},
		} {
			if a := s.ssh(t, "", test.flag, lab.Alias, asked); a != (answer{out: test.says}) {
				t.Errorf("%s: %s: %v", s.name, test.name, a)
			}
		}
	}
	ours, theirs = both(t)
	for _, s := range []*side{theirs, ours} {
		a := s.ssh(t, "", "-oForwardAgent="+agentWith(t, "of-the-client"), lab.Alias, asked)
		if a.code != 0 || strings.Contains(a.out, "ED25519") {
			t.Errorf("%s forwards an agent that its alias has not: %v", s.name, a)
		}
	}
}

// toldAgent notes what it is told of a server.
type toldAgent struct {
	agent.ExtendedAgent
	server *lab.Sshd
	told   chan string
}

func (a *toldAgent) Extension(name string, contents []byte) ([]byte, error) {
	a.told <- fmt.Sprintf("%s, its key %v, forwarded %d", name, bytes.Contains(contents, a.server.HostKey.Marshal()), contents[len(contents)-1])
	return nil, agent.ErrExtensionUnsupported
}

// An agent that is forwarded is told so, before the server can say a word: what is on this machine, such as libraries for tokens, is not
// for the server to have loaded, and a key that is for certain hosts is not for those behind them.
func TestForwardedAgentIsToldThatTheServerSpeaks(t *testing.T) {
	t.Parallel()
	lab.Need(t, "ssh-add")
	var said []string
	server := lab.StartSSHD(t)
	for _, p := range []lab.Program{lab.OpenSSH, lab.Tunneld} {
		told := &toldAgent{agent.NewKeyring().(agent.ExtendedAgent), server, make(chan string, 10)}
		s := startMaster(t, p, server, "ForwardAgent "+serveAgent(t, told))
		if a := s.ssh(t, "", "-A", lab.Alias, "ssh-add -l"); a.code != 1 {
			t.Errorf("%s: %v", s.name, a)
		}
		select {
		case one := <-told.told:
			said = append(said, one)
		default:
			t.Errorf("%s tells the agent nothing", s.name)
		}
	}
	if len(said) == 2 && said[0] != said[1] {
		t.Errorf("ssh says %s\nwe say %s", said[0], said[1])
	}
}

// In proxy mode there is no agent, with either master, whatever a client says and the alias has.
func TestNoAgentInProxyMode(t *testing.T) {
	t.Parallel()
	lab.Need(t, "ssh-add", newest)
	ours, theirs := both(t, "ForwardAgent "+agentWith(t, "of-the-master"))
	for _, s := range []*side{theirs, ours} {
		for _, s.stock = range []string{oldest, newest} {
			for _, flag := range []string{"-A", "-oForwardAgent=" + agentWith(t, "of-the-client")} {
				a := s.ssh(t, "", flag, "-O", "proxy", lab.Alias, "ssh-add -l 2>&1")
				if a.code != 2 || a.out != "Could not open a connection to your authentication agent.\n" {
					t.Errorf("%s: %s %s: %v", s.name, s.stock, flag, a)
				}
			}
		}
	}
}

// X11 is not forwarded. The session says so, and goes on.
func TestX11IsRefusedWithAWord(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t, "X11Forwarding yes"))
	want := answer{"none\n", "X11 forwarding request failed: not supported by tunneld\r\n", 3}
	if a := s.run(t, "", append([]string{"env", "DISPLAY=:7"}, s.words("-X", lab.Alias, "echo ${DISPLAY:-none}; exit 3")...)...); a != want {
		t.Errorf("%v", a)
	}
	if a := s.ssh(t, "", "-x", lab.Alias, "exit 3"); a != (answer{code: 3}) {
		t.Errorf("without X11: %v", a)
	}
}

// What the client sends of its environment and sets reaches the command, as far as the server takes it. OpenSSH's own master
// passes on what its own SendEnv names alone.
func TestEnvironmentOfAClient(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t, "AcceptEnv LC_*"))
	for _, stock := range []string{oldest, newest} {
		lab.Need(t, stock)
		s.stock = stock
		words := s.words("-oSendEnv=LC_A LC_B* OTHER", "-oSetEnv=LC_C=set", lab.Alias, "echo $LC_A. $LC_BB. $OTHER. $LC_C. $FOO.")
		a := s.run(t, "", append([]string{"env", "LC_A=a b", "LC_BB=\t'", "OTHER=x"}, words...)...)
		if a != (answer{out: "a b. '. . set. .\n"}) {
			t.Errorf("%s: %v", stock, a)
		}
	}
}
