package tunnel

import (
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshconn"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// The targets that feed anything to the parts of this package that read what strangers say: clients of a proxy port, servers,
// and files that servers have a hand in. `make fuzz` runs them for long; an ordinary test run takes their seeds. What a run
// found stays in testdata/fuzz.

// openedByServer is a channel that a server opens.
type openedByServer struct {
	ssh.NewChannel
	kind    string
	payload []byte
}

func (c openedByServer) ChannelType() string { return c.kind }
func (c openedByServer) ExtraData() []byte   { return c.payload }

// FuzzForwardedPayload reads what a server says about a connection to one of our listeners, and finds the listener.
func FuzzForwardedPayload(f *testing.F) {
	f.Add("forwarded-tcpip", sshconn.MarshalTCPOpen("localhost", 8080, "10.0.0.1", 4711))
	f.Add("forwarded-tcpip", sshconn.MarshalTCPOpen("127.0.0.1", 8080, "\x1b[2J", 0))
	f.Add("forwarded-tcpip", sshconn.MarshalTCPOpen("", 9090, "", 1<<31))
	f.Add("forwarded-tcpip", sshconn.MarshalTCPOpen("localhost", 0, "", 0))
	f.Add("forwarded-streamlocal@openssh.com", ssh.Marshal(forwardedStreamLocal{"/run/a.sock", ""}))
	f.Add("forwarded-streamlocal@openssh.com", []byte{0, 0, 0, 9, 'x'})
	f.Add("forwarded-tcpip", []byte{0xff, 0xff, 0xff, 0xff})
	known := make(chan struct{})
	close(known)
	session := Session{log: quiet()}
	const chosen = 40000 // by the server, and one more
	for _, l := range []*remoteListen{
		{host: "localhost", port: 8080}, {host: "", port: 8080}, {host: "", port: 9090}, {endpoint: config.Endpoint{Path: "/run/a.sock"}},
		{host: "localhost", port: chosen}, {host: "", port: chosen + 1},
	} {
		if l.known = known; l.port < chosen {
			l.endpoint.Port = int(l.port)
		}
		session.listens.add(l)
	}
	f.Fuzz(func(t *testing.T, kind string, payload []byte) {
		c := openedByServer{kind: kind, payload: payload}
		if name := listenerName(c); len(name) > len(payload) {
			t.Errorf("the name of a listener is longer than what the server said: %q", name)
		}
		found := session.listenerOf(t.Context(), c)
		if found == nil {
			return
		}
		if unix := kind == "forwarded-streamlocal@openssh.com"; unix != found.endpoint.IsUnix() {
			t.Fatalf("%s %x goes to %+v", kind, payload, found)
		}
		if found.endpoint.IsUnix() {
			return
		}
		var m sshconn.TCPOpen
		if err := ssh.Unmarshal(payload, &m); err != nil || m.Port != found.port && (m.Port != 0 || found.port < chosen || m.Host != found.host) {
			t.Fatalf("%x goes to port %d: %v", payload, found.port, err)
		}
		if m.Host != found.host && found.port == 8080 {
			t.Errorf("%x goes to %q:%d, of two that it may be", payload, found.host, found.port)
		}
	})
}

// FuzzChosenPort reads the answer to a request for a port of the server's choice.
func FuzzChosenPort(f *testing.F) {
	f.Add(ssh.Marshal(tcpipForwardReply{40000}))
	f.Add([]byte{})
	f.Add([]byte{0, 1, 0, 0})
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, reply []byte) {
		port, err := chosenPort(reply)
		sshtest.Plain(t, err)
		if err == nil && (port == 0 || port > 65535) {
			t.Errorf("%x is port %d", reply, port)
		}
	})
}
