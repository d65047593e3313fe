package sshtest

import (
	"io"
	"net"
	"strconv"

	"golang.org/x/crypto/ssh"
)

// endpoint is the payload of tcpip-forward and its cancellation (RFC 4254 §7.1).
type endpoint struct {
	Host string
	Port uint32
}

// opening is the payload of direct-tcpip and forwarded-tcpip (RFC 4254 §7.2).
type opening struct {
	Host           string
	Port           uint32
	OriginatorHost string
	OriginatorPort uint32
}

// Connect serves a direct-tcpip channel: it dials the target and joins both.
func Connect(c ssh.NewChannel) {
	var want opening
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
	join(target.(*net.TCPConn), ch, requests)
}

// join copies both ways and passes the end of each direction on.
func join(target *net.TCPConn, ch ssh.Channel, requests <-chan *ssh.Request) {
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

// serveRequests listens for the client as tcpip-forward asks, until the connection ends.
func (s *Server) serveRequests(conn ssh.Conn, requests <-chan *ssh.Request) {
	listeners := make(map[uint32]net.Listener)
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	for r := range requests {
		var want endpoint
		if s.OnRequest != nil {
			s.OnRequest(r)
		}
		switch {
		case s.Mute:
		case r.Type == "tcpip-forward" && ssh.Unmarshal(r.Payload, &want) == nil:
			l := s.listen(want)
			if l == nil {
				r.Reply(false, nil)
				continue
			}
			port := uint32(l.Addr().(*net.TCPAddr).Port)
			listeners[port] = l
			if !s.Portless {
				want.Port = port
			}
			go forward(conn, l, want)
			if s.BeforeReply != nil {
				s.BeforeReply(l.Addr().String())
			}
			r.Reply(true, ssh.Marshal(struct{ Port uint32 }{port}))
		case r.Type == "cancel-tcpip-forward" && ssh.Unmarshal(r.Payload, &want) == nil && listeners[want.Port] != nil:
			listeners[want.Port].Close()
			delete(listeners, want.Port)
			r.Reply(true, nil)
		default:
			r.Reply(false, nil)
		}
	}
}

// listen returns the listener that a client asks for; nil: it is refused.
func (s *Server) listen(want endpoint) net.Listener {
	if s.OnListen != nil {
		port, ok := s.OnListen(want.Host, want.Port)
		if !ok {
			return nil
		}
		want.Port = port
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(want.Port))))
	if err != nil {
		return nil
	}
	return l
}

// forward sends the connections of l to the client.
func forward(conn ssh.Conn, l net.Listener, bound endpoint) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			from := client.RemoteAddr().(*net.TCPAddr)
			payload := ssh.Marshal(opening{bound.Host, bound.Port, from.IP.String(), uint32(from.Port)})
			ch, requests, err := conn.OpenChannel("forwarded-tcpip", payload)
			if err != nil {
				client.Close()
				return
			}
			join(client.(*net.TCPConn), ch, requests)
		}()
	}
}
