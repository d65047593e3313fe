package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// talker is a connection on which everything has been said already. It returns piece bytes at a time; 0: all.
type talker struct {
	said  []byte
	piece int
	read  int
	heard bytes.Buffer
}

func (c *talker) Read(p []byte) (int, error) {
	left := c.said[c.read:]
	if len(left) == 0 {
		return 0, io.EOF
	}
	if c.piece > 0 {
		p = p[:min(len(p), c.piece)]
	}
	n := copy(p, left)
	c.read += n
	return n, nil
}

func (c *talker) Write(p []byte) (int, error) { return c.heard.Write(p) }
func (c *talker) Close() error                { return nil }

// asked is what became of a proxy request.
type asked struct {
	target config.Endpoint // zero: none
	answer string
	err    error
}

// askProxy has a proxy read what was said. The target is refused, as far as it comes to that.
func askProxy(said []byte, piece int) (asked, *talker) {
	var a asked
	c := &talker{said: said, piece: piece}
	a.err = Serve(context.Background(), c, anyAddr(), func(_ context.Context, target config.Endpoint) (Route, error) {
		a.target = target
		return nil, &ssh.OpenChannelError{Reason: ssh.ConnectionFailed, Message: "Connection refused"}
	})
	a.answer = c.heard.String()
	return a, c
}

// FuzzProxyRequest reads the first bytes of a client in each of the three protocols. It makes no difference in which pieces
// they come.
func FuzzProxyRequest(f *testing.F) {
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x03\x0chost.example\x00\x50"))
	f.Add(append([]byte("\x05\x01\x00\x05\x01\x00\x03\x0chost.example\x00\x50"), "early"...))
	f.Add([]byte("\x05\x01\x00\x05\x02\x00\x03\x01h\x00\x50"))
	f.Add([]byte{5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80})
	f.Add(append(append([]byte{5, 2, 0, 2, 5, 1, 0, 4}, net.IPv6loopback...), 0, 80))
	f.Add([]byte("\x04\x01\x00\x50\x00\x00\x00\x01\x00host.example\x00"))
	f.Add([]byte{4, 1, 0, 80, 127, 0, 0, 1, 'u', 0, 'e'})
	f.Add([]byte{4, 1, 0, 80, 0, 0, 0, 7, 0, 0})
	f.Add([]byte("CONNECT host.example:80 HTTP/1.1\r\nHost: host.example\r\n\r\n"))
	f.Add([]byte("CONNECT [::1]:443 HTTP/1.0\r\n\r\nearly"))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte("GET http://host.example/a?b HTTP/1.1\r\nHost: x\r\nConnection: x, Upgrade\r\nUpgrade: y\r\n\r\n"))
	f.Add([]byte("POST http://[::1]:8080 HTTP/1.0\r\nContent-Length: 5\r\n\r\nearly"))
	f.Add([]byte("CONNECT a\x1b[2J:1 HTTP/1.1\r\nHost: \xff\r\nX: y\r\n z\r\n\r\n"))
	f.Add([]byte("CONNECT h:99999 HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"))
	f.Add([]byte{5, 255})
	f.Add([]byte{0x16, 3, 1})
	f.Fuzz(func(t *testing.T, said []byte) {
		got, c := askProxy(said, 0)
		if got.err != nil && strings.ContainsFunc(got.err.Error(), unicode.IsControl) {
			t.Fatalf("%q could do something to a terminal", got.err)
		}
		if got.err == nil {
			t.Fatal("a request was served though no target answers")
		}
		if c.read > maxHTTPHead+5 || len(got.answer) > 1024 {
			t.Fatalf("%d bytes were read, %d bytes answered", c.read, len(got.answer))
		}
		target := got.target
		if target != (config.Endpoint{}) && (target.Host == "" || target.Port < 1 || target.Port > 65535 || target.IsUnix()) {
			t.Fatalf("%q leads to %+v", said, target)
		}
		slowly, _ := askProxy(said, 1)
		if slowly.target != got.target || slowly.answer != got.answer {
			t.Fatalf("byte by byte %q leads to %+v and %q, else to %+v and %q", said, slowly.target, slowly.answer, got.target, got.answer)
		}
		if len(said) > 0 && (said[0] == 4 || said[0] == 5) && target != (config.Endpoint{}) {
			checkSOCKSTarget(t, said, target)
		}
	})
}

// checkSOCKSTarget finds the target of a request a second time, by the shape of the message alone.
func checkSOCKSTarget(t *testing.T, said []byte, target config.Endpoint) {
	t.Helper()
	if said[0] == 4 {
		if port := binary.BigEndian.Uint16(said[2:]); int(port) != target.Port {
			t.Errorf("% x leads to port %d", said, target.Port)
		}
		return
	}
	said = said[2+int(said[1]):] // the greeting
	var host string
	var port []byte
	switch said[3] {
	case 1:
		host, port = net.IP(said[4:8]).String(), said[8:]
	case 3:
		host, port = string(said[5:5+int(said[4])]), said[5+int(said[4]):]
	case 4:
		host, port = net.IP(said[4:20]).String(), said[20:]
	}
	if host != target.Host || int(binary.BigEndian.Uint16(port)) != target.Port {
		t.Errorf("% x leads to %+v", said, target)
	}
}

// FuzzRefusal turns the words with which a server refuses a channel into the answers of the proxies.
func FuzzRefusal(f *testing.F) {
	for _, text := range []string{"Connection refused", "Network is unreachable", "open failed", "\x1b]0;x\a", "a\r\nSet-Cookie: x\r\n\r\n<html>", "\xff"} {
		f.Add(uint32(ssh.ConnectionFailed), text)
		f.Add(uint32(ssh.Prohibited), text)
	}
	f.Fuzz(func(t *testing.T, reason uint32, text string) {
		err := &ssh.OpenChannelError{Reason: ssh.RejectionReason(reason), Message: text}
		if code := replyCode(err); code < socks5Failure || code > socks5TTLExpired {
			t.Errorf("SOCKS5 answers %d", code)
		}
		if status := httpStatus(err); status < 400 || status > 599 {
			t.Errorf("HTTP answers %d", status)
		}
	})
}
