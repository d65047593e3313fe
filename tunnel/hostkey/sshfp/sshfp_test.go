package sshfp

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers over UDP and TCP on one port of the loopback.
type nameServer struct {
	port   string
	answer func(m *dnsmessage.Message, tcp bool) // completes an answer; nil: nobody answers
}

func startNameServer(t *testing.T, answer func(m *dnsmessage.Message, tcp bool)) *nameServer {
	t.Helper()
	s := &nameServer{answer: answer}
	listener, conn := listenBoth(t)
	s.port = strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	done := make(chan struct{}, 2)
	t.Cleanup(func() {
		listener.Close()
		conn.Close()
		<-done
		<-done
	})
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			buffer := make([]byte, 4096)
			n, peer, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			for _, reply := range s.reply(buffer[:n], false) {
				conn.WriteTo(reply, peer)
			}
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.serve(conn)
		}
	}()
	return s
}

// listenBoth returns a port that is free for TCP and UDP.
func listenBoth(t *testing.T) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 20 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := net.ListenPacket("udp", listener.Addr().String()); err == nil {
			return listener, conn
		}
		listener.Close()
	}
	t.Fatal("no port is free for both")
	return nil, nil
}

func (s *nameServer) serve(conn net.Conn) {
	defer conn.Close()
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return
	}
	for _, reply := range s.reply(query, true) {
		conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	}
}

func (s *nameServer) reply(query []byte, tcp bool) [][]byte {
	var m dnsmessage.Message
	if s.answer == nil || m.Unpack(query) != nil {
		return nil
	}
	m.Response, m.RecursionAvailable, m.AuthenticData, m.Additionals = true, true, false, nil
	strange := m // what somebody else may send first
	strange.ID++
	s.answer(&m, tcp)
	var replies [][]byte
	for _, message := range []dnsmessage.Message{strange, m} {
		if packed, err := message.Pack(); err == nil {
			replies = append(replies, packed)
		}
	}
	return replies
}

// resolver returns one that asks this server and no other.
func (s *nameServer) resolver(t *testing.T, lines ...string) *Resolver {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	lines = append(lines, "nameserver 127.0.0.1", "options timeout:2 attempts:1", "")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Resolver{File: path, Port: s.port}
}

func sshfpRecord(name dnsmessage.Name, algorithm, digest byte, sum []byte) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: name, Type: typeSSHFP, Class: dnsmessage.ClassINET, TTL: 1},
		Body:   &dnsmessage.UnknownResource{Type: typeSSHFP, Data: append([]byte{algorithm, digest}, sum...)},
	}
}

func testKeys(t *testing.T) (ed, ec ssh.PublicKey) {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if ed, err = ssh.NewPublicKey(public); err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if ec, err = ssh.NewPublicKey(&private.PublicKey); err != nil {
		t.Fatal(err)
	}
	return ed, ec
}

func TestLookup(t *testing.T) {
	ed, ec := testKeys(t)
	sum1, sum256, other := sha1.Sum(ed.Marshal()), sha256.Sum256(ed.Marshal()), sha256.Sum256(ec.Marshal())
	for _, c := range []struct {
		name    string
		records []record
		ad      bool
		change  func(*dnsmessage.Message, bool)
		want    Verdict
		secure  bool
		wrong   bool
	}{
		{name: "nothing", ad: true, secure: true},
		{name: "both digests", records: []record{{4, 1, string(sum1[:])}, {4, 2, string(sum256[:])}}, ad: true, want: Match, secure: true},
		{name: "not validated", records: []record{{4, 2, string(sum256[:])}}, want: Match},
		{name: "one does not fit", records: []record{{4, 1, string(sum1[:])}, {4, 2, string(other[:])}}, ad: true, want: Mismatch, secure: true},
		{name: "another type", records: []record{{3, 2, string(other[:])}}, ad: true, secure: true},
		{name: "an unknown digest", records: []record{{4, 9, "x"}}, ad: true, secure: true},
		{name: "cut short", records: []record{{4, 2, string(sum256[:31])}}, ad: true, want: Mismatch, secure: true},
		{name: "empty data", records: []record{{4, 2, ""}}, ad: true, secure: true},
		{name: "no such name", ad: true, change: func(m *dnsmessage.Message, _ bool) { m.RCode = dnsmessage.RCodeNameError }},
		{name: "a failure", change: func(m *dnsmessage.Message, _ bool) { m.RCode = dnsmessage.RCodeServerFailure }, wrong: true},
		{name: "too long for UDP", records: []record{{4, 2, string(sum256[:])}}, ad: true, want: Match, secure: true, change: func(m *dnsmessage.Message, tcp bool) {
			if !tcp {
				m.Truncated, m.Answers = true, nil
			}
		}},
		{name: "too long for TCP", change: func(m *dnsmessage.Message, _ bool) { m.Truncated = true }, wrong: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startNameServer(t, func(m *dnsmessage.Message, tcp bool) {
				m.AuthenticData = c.ad
				for _, r := range c.records {
					m.Answers = append(m.Answers, sshfpRecord(m.Questions[0].Name, r.algorithm, r.digest, []byte(r.fingerprint)))
				}
				if c.change != nil {
					c.change(m, tcp)
				}
			})
			records, err := s.resolver(t).Lookup(t.Context(), "host.example")
			if (err != nil) != c.wrong {
				t.Fatal(err)
			}
			if got := records.Judge(ed); got != c.want || records.Secure != c.secure {
				t.Errorf("verdict %d, secure %v", got, records.Secure)
			}
		})
	}
}

// The query asks for validation, and is for the name as it is.
func TestQuestion(t *testing.T) {
	name, err := dnsmessage.NewName("host.example.")
	if err != nil {
		t.Fatal(err)
	}
	_, query, err := question(name)
	if err != nil {
		t.Fatal(err)
	}
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		t.Fatal(err)
	}
	if !m.AuthenticData || !m.RecursionDesired || len(m.Additionals) != 1 || !m.Additionals[0].Header.DNSSECAllowed() {
		t.Errorf("%+v", m)
	}
}

func TestNobodyIsAskedForAddresses(t *testing.T) {
	r := &Resolver{File: "/nonexistent", Port: "1"}
	for _, host := range []string{"192.0.2.1", "::1", "fe80::1%lo"} {
		if records, err := r.Lookup(t.Context(), host); err != nil || !records.Empty() {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := r.Lookup(t.Context(), strings.Repeat("x", 300)); err == nil {
		t.Error("a name that is too long was looked up")
	}
}

// A server that does not answer does not keep anybody.
func TestSilentServer(t *testing.T) {
	s := startNameServer(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	time.AfterFunc(50*time.Millisecond, func() { cancel(enough) })
	if _, err := s.resolver(t).Lookup(ctx, "host.example"); !errors.Is(err, enough) {
		t.Error(err)
	}
	if _, err := s.resolver(t, "options timeout:1").Lookup(t.Context(), "host.example"); err == nil {
		t.Error("no error")
	}
}

func TestSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	text := "# x\nnameserver 192.0.2.1\nnameserver ::1\nnameserver 127.0.0.53\nnameserver 192.0.2.9\noptions edns0 trust-ad timeout:99 attempts:0\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := readSettings(path)
	if got := fmt.Sprint(s.servers, s.trustAD, s.timeout, s.attempts); got != "[192.0.2.1 ::1 127.0.0.53] true 30s 2" {
		t.Error(got)
	}
	s.trustAD = false
	if s.believed("192.0.2.1") || !s.believed("::1") || !s.believed("127.0.0.53") || s.believed("name") {
		t.Error("the wrong servers are believed")
	}
	if s = readSettings("/nonexistent"); fmt.Sprint(s.servers) != "[127.0.0.1]" {
		t.Error(s.servers)
	}
}
