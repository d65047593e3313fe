// Package sshtest is an SSH server on loopback that knows just enough for forwards (RFC 4254 §7). The demo uses it, and the
// tests of the tunnel make it misbehave. integration has the real servers.
package sshtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Server is an SSH server on a port of loopback. Set the exported fields before Start; they may be nil.
type Server struct {
	Config *ssh.ServerConfig

	OnConn      func(*ssh.ServerConn)                         // gets each connection that is authenticated
	OnRequest   func(*ssh.Request)                            // gets each global request first
	OnListen    func(host string, port uint32) (uint32, bool) // decides on tcpip-forward: the port to listen on, or a refusal
	BeforeReply func(address string)                          // a listener stands, and the client is not told yet
	OnOpen      func(ssh.NewChannel)                          // serves each channel, in place of direct-tcpip to anywhere
	Mute        bool                                          // no global request is answered
	Portless    bool                                          // a port that was asked for as 0 is named so in each connection to it

	hostKey ssh.PublicKey
	address string

	mu       sync.Mutex // guards all following fields
	listener net.Listener
	conns    map[net.Conn]struct{}
	stopped  bool

	serving sync.WaitGroup
}

// New returns a server with a host key of its own, which listens nowhere yet. It lets everybody in unless allow, which may be
// nil, says otherwise.
func New(allow func(key ssh.PublicKey) bool) (*Server, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Config:  &ssh.ServerConfig{NoClientAuth: allow == nil},
		hostKey: signer.PublicKey(),
		address: "127.0.0.1:0",
		conns:   make(map[net.Conn]struct{}),
	}
	if allow != nil {
		s.Config.PublicKeyCallback = func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if !allow(key) {
				return nil, errors.New("unknown key")
			}
			return nil, nil
		}
	}
	s.Config.AddHostKey(signer)
	return s, nil
}

// Start listens. It may be called again after Stop, and then listens on the same port.
func (s *Server) Start() error {
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener, s.address, s.stopped = l, l.Addr().String(), false
	s.serving.Go(func() { s.accept(l) })
	return nil
}

// Address returns the address that it listens on, or listened on last.
func (s *Server) Address() string { return s.address }

// HostKey returns its host key.
func (s *Server) HostKey() ssh.PublicKey { return s.hostKey }

// Stop closes the listener and cuts every connection, as a machine that is switched off.
func (s *Server) Stop() {
	s.mu.Lock()
	l := s.listener
	s.stopped = true // whoever has been accepted and is not served yet will not be
	s.mu.Unlock()
	l.Close()
	s.Cut()
}

// Cut resets every connection.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

// Wait blocks until no connection is accepted or served any more. A channel may last longer: until its target has closed the
// connection, or OnOpen has returned. Call it after Stop.
func (s *Server) Wait() { s.serving.Wait() }

func (s *Server) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if !s.add(conn) {
			conn.Close()
			return
		}
		s.serving.Go(func() { s.serve(conn) })
	}
}

// add has conn cut with the others. It is false after Stop.
func (s *Server) add(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.conns[conn] = struct{}{}
	return true
}

func (s *Server) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	sc, channels, requests, err := ssh.NewServerConn(conn, s.Config)
	if err != nil {
		return
	}
	if s.OnConn != nil {
		s.OnConn(sc)
	}
	go s.serveRequests(sc, requests)
	for c := range channels {
		if s.OnOpen != nil {
			go s.OnOpen(c)
			continue
		}
		go Connect(c)
	}
}
