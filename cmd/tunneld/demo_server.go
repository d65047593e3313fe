package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"

	"golang.org/x/crypto/ssh"
)

// demoServer is just enough of an SSH server for forwards (RFC 4254 §7), on loopback, for the demo only.
type demoServer struct {
	config *ssh.ServerConfig
	hostID ssh.PublicKey
	addr   string

	mu       sync.Mutex // guards all following fields
	listener net.Listener
	conns    map[net.Conn]struct{}
	running  sync.WaitGroup
}

// newDemoServer makes a host key and lets nobody in but the owner of client. It listens nowhere yet.
func newDemoServer(client ssh.PublicKey) (*demoServer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	s := &demoServer{hostID: signer.PublicKey(), addr: "127.0.0.1:0", conns: make(map[net.Conn]struct{})}
	s.config = &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) != string(client.Marshal()) {
				return nil, fmt.Errorf("unknown key")
			}
			return nil, nil
		},
	}
	s.config.AddHostKey(signer)
	return s, nil
}

// start listens, the second time on the port of the first. It may be called again after stop.
func (s *demoServer) start() error {
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener, s.addr = l, l.Addr().String()
	s.running.Go(func() { s.accept(l) })
	return nil
}

// stop closes the listener and cuts every connection, as a machine that is switched off.
func (s *demoServer) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener.Close()
	for conn := range s.conns {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

func (s *demoServer) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = struct{}{}
		s.mu.Unlock()
		s.running.Go(func() { s.serve(conn) })
	}
}

func (s *demoServer) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	sshConn, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { serveDemoRequests(ctx, sshConn, requests) })
	for c := range channels {
		serving.Go(func() { serveDemoChannel(c) })
	}
	cancel()
}

// demoEndpoint is the payload of tcpip-forward and its cancellation.
type demoEndpoint struct {
	Host string
	Port uint32
}

// demoChannel is the payload of direct-tcpip and forwarded-tcpip.
type demoChannel struct {
	Host           string
	Port           uint32
	OriginatorHost string
	OriginatorPort uint32
}

// serveDemoChannel connects a direct-tcpip channel.
func serveDemoChannel(c ssh.NewChannel) {
	var want demoChannel
	if c.ChannelType() != "direct-tcpip" || ssh.Unmarshal(c.ExtraData(), &want) != nil {
		c.Reject(ssh.UnknownChannelType, "only direct-tcpip")
		return
	}
	target, err := net.Dial("tcp", net.JoinHostPort(want.Host, strconv.Itoa(int(want.Port))))
	if err != nil {
		c.Reject(ssh.ConnectionFailed, "Connection refused")
		return
	}
	ch, requests, err := c.Accept()
	if err != nil {
		target.Close()
		return
	}
	demoJoin(target.(*net.TCPConn), ch, requests)
}

// demoJoin copies both ways and passes the end of each direction on.
func demoJoin(target *net.TCPConn, ch ssh.Channel, requests <-chan *ssh.Request) {
	defer target.Close()
	defer ch.Close()
	go ssh.DiscardRequests(requests)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.Copy(ch, target)
		ch.CloseWrite()
	}()
	io.Copy(target, ch)
	target.CloseWrite()
	<-sent
}

// serveDemoRequests listens for the client as tcpip-forward asks, until the connection ends.
func serveDemoRequests(ctx context.Context, conn ssh.Conn, requests <-chan *ssh.Request) {
	listeners := make(map[demoEndpoint]net.Listener)
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	for r := range requests {
		var want demoEndpoint
		switch {
		case r.Type == "tcpip-forward" && ssh.Unmarshal(r.Payload, &want) == nil:
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(want.Port))))
			if err != nil {
				r.Reply(false, nil)
				continue
			}
			want.Port = uint32(l.Addr().(*net.TCPAddr).Port)
			listeners[want] = l
			go demoForward(ctx, conn, l, want)
			r.Reply(true, ssh.Marshal(struct{ Port uint32 }{want.Port}))
		case r.Type == "cancel-tcpip-forward" && ssh.Unmarshal(r.Payload, &want) == nil && listeners[want] != nil:
			listeners[want].Close()
			delete(listeners, want)
			r.Reply(true, nil)
		default:
			r.Reply(false, nil)
		}
	}
}

// demoForward sends the connections of l to the client.
func demoForward(ctx context.Context, conn ssh.Conn, l net.Listener, bound demoEndpoint) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			from := client.RemoteAddr().(*net.TCPAddr)
			payload := ssh.Marshal(demoChannel{bound.Host, bound.Port, from.IP.String(), uint32(from.Port)})
			ch, reqs, err := conn.OpenChannel("forwarded-tcpip", payload)
			if err != nil || ctx.Err() != nil {
				client.Close()
				return
			}
			demoJoin(client.(*net.TCPConn), ch, reqs)
		}()
	}
}
