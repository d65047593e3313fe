package autossh

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// endings are the ways in which a connection ends or never comes about, in each of which ssh has words that people look for.
var endings = []struct {
	name, line, do string
	meet           func(*testing.T, *run)
}{
	{"closed at once", "-M 0 -N server", "end", answers(greeted)},
	{"reset at once", "-M 0 -N server", "end", answers(greeted, resets)},
	{"silent", "-M 0 -N -o ConnectTimeout=1 mute", "end", nil},
	{"not SSH", "-M 0 -N server", "end", answers(greeted, says("HTTP/1.0 400 Bad Request\r\n\r\n"))},
	{"closed after the greeting", "-M 0 -N server", "end", answers(greeted, says(greeting), takesPacket)},
	{"reset after the greeting", "-M 0 -N server", "end", answers(greeted, says(greeting), takesPacket, resets)},
	{"a goodbye", "-M 0 -N server", "end", answers(greeted, says(greeting), takesPacket, says(goodbye))},
	{"too many keys", "-M 0 -N -o IdentityFile={DIR}/one -o IdentityFile={DIR}/two -o IdentityFile={DIR}/three server", "end", func(t *testing.T, r *run) {
		for _, name := range []string{"one", "two", "three"} {
			lab.WriteKey(t, filepath.Join(r.dir, name))
		}
	}},
	{"no common key exchange", "-M 0 -N -o KexAlgorithms=diffie-hellman-group14-sha1 server", "end", nil},
	{"no common cipher", "-M 0 -N -c aes128-cbc server", "end", nil},
	{"no common MAC", "-M 0 -N -c aes128-ctr -m hmac-sha1-96 server", "end", nil},
	{"no common host key type", "-M 0 -N -o HostKeyAlgorithms=rsa-sha2-512 server", "end", nil},
	{"an unknown host key", "-M 0 -N -o UserKnownHostsFile=/dev/null server", "end", nil},
	{"a host key that has changed", "-M 0 -N server", "end", func(t *testing.T, r *run) {
		lab.WriteKey(t, filepath.Join(r.dir, "other"))
		lab.WriteFile(t, filepath.Join(r.dir, "known_hosts"), fmt.Sprintf("[127.0.0.1]:%d %s", r.relay.Port, readFile(filepath.Join(r.dir, "other.pub"))))
	}},
	{"no key that is let in", "-M 0 -N -o PubkeyAuthentication=no server", "end", nil},
	{"nobody listens", "-M 0 -N dead", "end", nil},
	{"no such host", "-M 0 -N nowhere", "end", nil},
	{"nobody listens behind a jump host", "-M 0 -N -o ProxyJump=server dead", "end", nil},
	{"nobody listens at the jump host", "-M 0 -N -o ProxyJump=dead server", "end", nil},
	{"not let in by the jump host", "-M 0 -N -o ProxyJump=locked dead", "end", func(t *testing.T, r *run) {
		config := filepath.Join(r.dir, "config")
		lab.WriteFile(t, config, "Host locked\n  PubkeyAuthentication no\n  HostName 127.0.0.1\n  Port "+strconv.Itoa(r.relay.Port)+"\n  UserKnownHostsFile "+filepath.Join(r.dir, "known_hosts")+"\n"+string(readFile(config)))
	}},
	{"a proxy that ends", "-M 0 -N -o ProxyCommand=sh·-c·'read·x' server", "end", nil},
	{"closed by the server", "-M 0 -N " + forward + " server", "up settle hangup end", nil},
	{"reset", "-M 0 -N " + forward + " server", "up cut end", nil},
	{"no answer any more", "-M 0 -N -o ServerAliveInterval=1 -o ServerAliveCountMax=1 " + forward + " server", "up freeze end", nil},
	{"closed by the server, quietly", "-q -M 0 -N " + forward + " server", "up settle hangup end", nil},
	{"reset, quietly", "-q -M 0 -N " + forward + " server", "up cut end", nil},
	{"no answer any more, quietly", "-q -M 0 -N -o ServerAliveInterval=1 -o ServerAliveCountMax=1 " + forward + " server", "up freeze end", nil},
	{"nobody listens, quietly", "-q -M 0 -N dead", "end", nil},
}

const greeting = "SSH-2.0-stranger\r\n"

// goodbye is SSH_MSG_DISCONNECT before there are keys.
var goodbye = string(new(lab.RawKeys).Seal(lab.RawMessage(byte(1), uint32(2), "go away", "")))

// answers has the next connection served in the server's stead.
func answers(steps ...func(net.Conn, *bufio.Reader)) func(*testing.T, *run) {
	return func(_ *testing.T, r *run) {
		r.relay.AnswerNext(func(c net.Conn) {
			in := bufio.NewReader(c)
			for _, step := range steps {
				step(c, in)
			}
		})
	}
}

func greeted(_ net.Conn, in *bufio.Reader) { in.ReadString('\n') }

func says(text string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, _ *bufio.Reader) { io.WriteString(c, text) }
}

// takesPacket reads one packet, so that a close after it is no reset.
func takesPacket(_ net.Conn, in *bufio.Reader) {
	var size uint32
	binary.Read(in, binary.BigEndian, &size)
	io.CopyN(io.Discard, in, int64(size))
}

func resets(c net.Conn, _ *bufio.Reader) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// Whatever ends a connection, what ssh says of it stands on standard error, the same lines in the same order, and nothing else but
// what tunneld adds in its own name. Behind them stands autossh's own line.
func TestWhatSSHSaysOfAnEnd(t *testing.T) {
	t.Parallel()
	lab.Need(t, "autossh", "ssh", "sshd")
	s := newStage(t, "MaxAuthTries 2")
	for _, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			found := map[string][]string{}
			for _, whose := range []string{"theirs", "ours"} {
				r := s.run(t, scene{line: e.line}, whose)
				if e.meet != nil {
					e.meet(t, r)
				}
				lab.Check(t, r.start())
				t.Cleanup(r.clean)
				r.do(t, e.do)
				found[whose] = r.wordsOfSSH()
				if r.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(r.log(), "ssh exited prematurely with status 255") {
					t.Errorf("%s ends with %d and logs\n%s", whose, r.cmd.ProcessState.ExitCode(), r.log())
				}
			}
			theirs, ours := found["theirs"], found["ours"]
			if e.name == "a host key that has changed" { // of which it says more than people look for
				theirs = slices.DeleteFunc(theirs, func(line string) bool { return !slices.Contains(ours, line) })
				if len(ours) < 4 {
					t.Errorf("we say no more than %q", ours)
				}
			}
			if !slices.Equal(theirs, ours) {
				t.Errorf("autossh, with ssh: %s\n        tunneld: %s", strings.Join(theirs, "\n  "), strings.Join(ours, "\n  "))
			}
			if len(theirs) == 0 && !strings.Contains(e.name, "quietly") {
				t.Error("ssh says nothing")
			}
		})
	}
}

// wordsOfSSH are the lines on standard error that are ssh's, without what differs from run to run.
func (r *run) wordsOfSSH() (lines []string) {
	same := strings.NewReplacer(strconv.Itoa(r.relay.Port), "PORT", r.dir, "DIR")
	for line := range strings.Lines(r.file("err")) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "tunneld: ") {
			lines = append(lines, same.Replace(line))
		}
	}
	return lines
}
