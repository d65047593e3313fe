package master

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/integration/lab"
)

// library is x/crypto's client on the ControlPath.
func (s *side) library(t *testing.T) *ssh.Client {
	t.Helper()
	socket, err := net.Dial("unix", s.socket)
	lab.Check(t, err)
	conn, channels, requests, err := ssh.NewControlClientConn(socket)
	lab.Check(t, err)
	client := ssh.NewClient(conn, channels, requests)
	t.Cleanup(func() { client.Close() })
	return client
}

// x/crypto's client rides on the socket as well (proxy mode): commands, connections and files.
func TestClientOfTheLibrary(t *testing.T) {
	t.Parallel()
	echo := lab.StartTarget(t, lab.Echo).Address()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	client := s.library(t)
	for range 3 {
		session, err := client.NewSession()
		lab.Check(t, err)
		var out, complaints bytes.Buffer
		session.Stdin, session.Stdout, session.Stderr = lab.Stream(1, 1<<20), &out, &complaints
		err = session.Run("cat; echo err >&2; exit 7")
		var exit *ssh.ExitError
		if !errors.As(err, &exit) || exit.ExitStatus() != 7 || complaints.String() != "err\n" {
			t.Errorf("%v, %q", err, complaints.String())
		}
		if want, _ := io.ReadAll(lab.Stream(1, 1<<20)); !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%d bytes came back", out.Len())
		}
	}
	through, err := client.Dial("tcp", echo)
	lab.Check(t, err)
	defer through.Close()
	answered := make([]byte, 4)
	if _, err := through.Write([]byte("ping")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(through, answered); err != nil || string(answered) != "ping" {
		t.Errorf("%q, %v", answered, err)
	}
	if _, err := client.Dial("tcp", lab.Loopback(lab.FreePort(t))); err == nil {
		t.Error("a port that nobody listens on was reached")
	}
	if count := s.Relay.Count(); count != 1 {
		t.Errorf("%d connections", count)
	}
	lost := make(chan error, 1)
	go func() { lost <- client.Wait() }()
	session, err := client.NewSession()
	lab.Check(t, err)
	lab.Check(t, session.Start("while echo more; do sleep 0.1; done"))
	s.Relay.Cut()
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a command that was cut off looks complete")
		}
	case <-time.After(lab.Patience):
		t.Error("a command that was cut off goes on")
	}
	<-lost
}

// A client of the library does not meet MaxSessions either.
func TestClientOfTheLibraryBeyondMaxSessions(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t, "MaxSessions 1"))
	client := s.library(t)
	type command struct {
		session *ssh.Session
		in      io.WriteCloser
	}
	var open []command
	for range 3 {
		session, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		in, err := session.StdinPipe()
		lab.Check(t, err)
		lab.Check(t, session.Start("cat"))
		open = append(open, command{session, in})
	}
	for _, c := range open {
		lab.Check(t, c.in.Close())
		lab.Check(t, c.session.Wait())
	}
	if count := s.Relay.Count(); count != 3 {
		t.Errorf("%d connections", count)
	}
}
