package lab

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsServer answers questions for an address of one name (RFC 1035), over UDP.
type dnsServer struct {
	conn    net.PacketConn
	serving sync.WaitGroup

	mu      sync.Mutex // guards all following
	address netip.Addr // IPv4; the zero one: no such name
	asked   int
}

// startDNSServer answers on conn, which it closes.
func startDNSServer(conn net.PacketConn, address netip.Addr) *dnsServer {
	s := &dnsServer{conn: conn, address: address}
	s.serving.Go(s.serve)
	return s
}

// Move returns the name another address.
func (s *dnsServer) Move(to netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.address = to
}

// Questions counts the questions so far.
func (s *dnsServer) Questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *dnsServer) stop() {
	s.conn.Close()
	s.serving.Wait()
}

func (s *dnsServer) serve() {
	question := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(question)
		if err != nil {
			return
		}
		s.conn.WriteTo(s.reply(question[:n]), from)
	}
}

// reply answers the first question of a message: with the address to a question of type A, with nothing to others.
func (s *dnsServer) reply(message []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	var m dnsmessage.Message
	if m.Unpack(message) != nil || len(m.Questions) == 0 {
		return nil
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	switch q := m.Questions[0]; {
	case !s.address.IsValid():
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
		m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: s.address.As4()}}}
	}
	reply, _ := m.Pack()
	return reply
}
