package sshconn

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// agentFor starts an ssh-agent with a key that is meant for one host of a file of known hosts, and returns its socket.
func agentFor(t *testing.T, known, host, key string) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "agent") // t.TempDir's names can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	socket := filepath.Join(directory, "s")
	command := exec.Command(peerTool(t, "ssh-agent"), "-D", "-a", socket)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	sshtest.Eventually(t, "ssh-agent listens", func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	add := exec.Command(peerTool(t, "ssh-add"), "-q", "-H", known, "-h", host, key)
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	if text, err := add.CombinedOutput(); err != nil {
		t.Fatalf("ssh-add: %v: %s", err, text)
	}
	return socket
}

// What ssh-add -h has an agent hold is for the hosts that it names, and the agent believes that it speaks to one who logs in there only
// when it sees the server's signature.
func TestKeysOfAnAgentForCertainHosts(t *testing.T) {
	for _, kex := range []string{"curve25519-sha256", "ecdh-sha2-nistp384", "diffie-hellman-group14-sha256", "diffie-hellman-group-exchange-sha256"} {
		t.Run(kex, func(t *testing.T) {
			wantNoLeak(t)
			s := startSSHD(t, "KexAlgorithms "+kex)
			o := s.options(t)
			o.KexAlgorithms, o.IdentityFile = []string{kex}, nil
			o.IdentityAgent = agentFor(t, o.UserKnownHostsFile[0], fmt.Sprintf("[127.0.0.1]:%d", o.Port), s.client.file)
			l, err := peerDialer(t).Dial(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			serveLink(t, l)
			if n := keysFrom(t, o.IdentityAgent, nil); n != 1 {
				t.Errorf("the agent shows us %d keys", n)
			}
			if n := keysFrom(t, o.IdentityAgent, l); n != 0 {
				t.Errorf("the agent shows %d keys to the server, for which there are none to go on with", n)
			}
		})
	}
}

// keysFrom returns how many keys an agent shows: to us, or to the server of l.
func keysFrom(t *testing.T, socket string, l *Conn) int {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if l != nil {
		if err := l.BindAgent(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := agent.NewClient(conn).List()
	if err != nil {
		t.Fatal(err)
	}
	return len(keys)
}

func TestKeysOfAnAgentForAnotherHost(t *testing.T) {
	wantNoLeak(t)
	s, other := startSSHD(t), startSSHD(t)
	o, there := s.options(t), other.options(t)
	o.IdentityFile = nil
	o.IdentityAgent = agentFor(t, there.UserKnownHostsFile[0], fmt.Sprintf("[127.0.0.1]:%d", there.Port), s.client.file)
	_, err := peerDialer(t).Dial(t.Context(), o)
	wantDialError(t, err, fault.PhaseAuth, true, "no key to offer", "IdentityFile")
}

// An agent that does not know of session-bind@openssh.com is as good as ever, behind a jump host, too.
func TestAgentThatCannotBeBound(t *testing.T) {
	wantNoLeak(t)
	jump, server := startSSHD(t), startSSHD(t)
	o := chain(t, jump, server)
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Skip(err)
	}
	defer listener.Close()
	ring := agent.NewKeyring()
	for _, s := range []*sshd{jump, server} {
		text, err := os.ReadFile(s.client.file)
		if err != nil {
			t.Fatal(err)
		}
		key, err := ssh.ParseRawPrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
			t.Fatal(err)
		}
	}
	go sshtest.ServeAgent(listener, ring)
	for _, hop := range []*config.Options{o, o.Via} {
		hop.IdentityAgent, hop.IdentityFile = socket, nil
	}
	l, err := peerDialer(t).Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
}

// packetOf returns a packet as it is before keys are agreed upon.
func packetOf(payload []byte) []byte {
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+4))
	packet = append(append(packet, 4), payload...)
	return append(packet, "pad."...)
}

func kexReplyOf(kind byte, parts ...string) []byte {
	payload := []byte{kind}
	for _, part := range parts {
		payload = append(binary.BigEndian.AppendUint32(payload, uint32(len(part))), part...)
	}
	return packetOf(payload)
}

func TestKexReply(t *testing.T) {
	begin := append([]byte("hello\nSSH-2.0-Server\r\n"), packetOf(append([]byte{msgKexInit}, make([]byte, 60)...))...)
	reply, end := kexReplyOf(msgKexReply, "key", "public", "signature"), packetOf([]byte{msgNewKeys})
	for name, c := range map[string]struct {
		words []byte
		found bool
	}{
		"usual":                  {bytes.Join([][]byte{begin, reply, end, []byte("encrypted")}, nil), true},
		"a group before":         {bytes.Join([][]byte{begin, kexReplyOf(msgKexReply, "p", "g"), kexReplyOf(msgKexGexReply, "key", "public", "signature"), end}, nil), true},
		"a wrong guess before":   {bytes.Join([][]byte{begin, kexReplyOf(msgKexReply, "other", "public", "signature"), reply, end}, nil), true},
		"cut off behind it":      {bytes.Join([][]byte{begin, reply}, nil), true},
		"cut off":                {bytes.Join([][]byte{begin, reply[:len(reply)-9]}, nil), false},
		"behind the end":         {bytes.Join([][]byte{begin, end, reply}, nil), false},
		"no version":             {reply, false},
		"a size that is none":    {append(bytes.Clone(begin), 0xff, 0xff, 0xff, 0xff, 0, msgKexReply), false},
		"padding and no payload": {append(bytes.Clone(begin), 0, 0, 0, 2, 9, 0, 0, 0, 0), false},
	} {
		hostKey, signature := kexReply(c.words)
		if c.found && (string(hostKey) != "key" || string(signature) != "signature") || !c.found && hostKey != nil {
			t.Errorf("%s: %q and %q", name, hostKey, signature)
		}
	}
}

func FuzzKexReply(f *testing.F) {
	f.Add(bytes.Join([][]byte{[]byte("SSH-2.0-x\n"), kexReplyOf(msgKexReply, "key", "public", "signature")}, nil))
	f.Fuzz(func(_ *testing.T, words []byte) { kexReply(words) })
}
