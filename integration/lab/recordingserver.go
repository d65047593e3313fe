package lab

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// recordingServer is an SSH server that writes down every password and answer that it is sent, and lets nobody in but who
// brings the right one. Whoever is in may go on to other hosts.
type recordingServer struct {
	Address  string
	Port     int
	HostKey  ssh.PublicKey
	password string // the right one; empty: there is none
	anyKey   bool   // every key is right

	mu   sync.Mutex
	sent []string // what came, as "method: what"
}

var errNotRight = errors.New("not right")

// StartRecordingServer serves until the end of the test; it asks by methods, and for a key where one is right.
func StartRecordingServer(t testing.TB, password string, anyKey bool, methods ...string) *recordingServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &recordingServer{Address: listener.Addr().String(), Port: listener.Addr().(*net.TCPAddr).Port, password: password, anyKey: anyKey}
	path := t.TempDir() + "/host"
	s.HostKey = WriteKey(t, path)
	signer, err := ssh.ParsePrivateKey([]byte(ReadFile(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	config := s.config(methods)
	config.AddHostKey(signer)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn, config) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return s
}

func (s *recordingServer) config(methods []string) *ssh.ServerConfig {
	config := &ssh.ServerConfig{MaxAuthTries: 20}
	judge := func(method, what string) (*ssh.Permissions, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sent = append(s.sent, method+": "+what)
		if s.password == "" || what != s.password {
			return nil, errNotRight
		}
		return nil, nil
	}
	if slices.Contains(methods, "password") {
		config.PasswordCallback = func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			return judge("password", string(password))
		}
	}
	if slices.Contains(methods, "keyboard-interactive") {
		config.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(answers) != 1 {
				return nil, errNotRight
			}
			return judge("keyboard-interactive", answers[0])
		}
	}
	if s.anyKey {
		config.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }
	}
	return config
}

func (s *recordingServer) serve(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	var passing sync.WaitGroup
	defer passing.Wait()
	for channel := range channels {
		passing.Go(func() { pass(channel) })
	}
}

// pass carries a direct-tcpip channel (RFC 4254 §7.2) to an address of this machine.
func pass(fresh ssh.NewChannel) {
	data := fresh.ExtraData()
	if len(data) < 8 || int(binary.BigEndian.Uint32(data)) > len(data)-8 {
		fresh.Reject(ssh.Prohibited, "what")
		return
	}
	port := int(binary.BigEndian.Uint32(data[4+binary.BigEndian.Uint32(data):]))
	conn, err := net.Dial("tcp", Loopback(port))
	if err != nil {
		fresh.Reject(ssh.ConnectionFailed, "no")
		return
	}
	defer conn.Close()
	channel, requests, err := fresh.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	go func() {
		io.Copy(channel, conn)
		channel.Close()
	}()
	io.Copy(conn, channel)
}

// Received returns what came so far.
func (s *recordingServer) Received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

func ReadFile(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
