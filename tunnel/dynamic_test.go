package tunnel

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshconn"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// The three protocols on the same port, each with bytes right behind the request, which must not be lost.

func dynamicTunnel(t *testing.T) (*Tunnel, *peer) {
	t.Helper()
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, Forwards: []config.Forward{{Kind: config.Dynamic, Listen: anyPort()}}})
	tun.Join(p.session(config.Echo{}))
	return tun, p
}

func socks5Request(command byte, host string, port int) []byte {
	b := []byte{5, 1, 0, 5, command, 0, 3, byte(len(host))}
	b = append(b, host...)
	return binary.BigEndian.AppendUint16(b, uint16(port))
}

func socks4aRequest(command byte, host string, port int) []byte {
	b := binary.BigEndian.AppendUint16([]byte{4, command}, uint16(port))
	b = append(b, 0, 0, 0, 7)
	return append(append(append(b, "user\x00"...), host...), 0)
}

func httpRequest(host string, port int) []byte {
	return fmt.Appendf(nil, "CONNECT %s:%d HTTP/1.1\r\nHost: %s\r\n\r\n", host, port, host)
}

func TestProxyProtocolsOnOnePort(t *testing.T) {
	tun, _ := dynamicTunnel(t)
	far := target(t, echoBytes)
	early := bytes.Repeat([]byte("early "), 2000)
	for _, c := range []struct {
		name    string
		request []byte
		skip    int // bytes of the answer before the target's
	}{
		{"SOCKS5 name", socks5Request(1, "localhost", far.Port), 2 + 10},
		{"SOCKS5 IPv4", append([]byte{5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1}, byte(far.Port>>8), byte(far.Port)), 2 + 10},
		{"SOCKS4", append(binary.BigEndian.AppendUint16([]byte{4, 1}, uint16(far.Port)), 127, 0, 0, 1, 0), 8},
		{"SOCKS4a", socks4aRequest(1, "localhost", far.Port), 8},
		{"HTTP CONNECT", httpRequest("127.0.0.1", far.Port), len("HTTP/1.1 200 Connection established\r\n\r\n")},
	} {
		t.Run(c.name, func(t *testing.T) {
			back := exchangeAll(t, dialTo(t, tun.boundAt(0)), append(c.request, early...))
			if len(back) < c.skip || !bytes.Equal(back[c.skip:], early) {
				t.Fatalf("got %d bytes back: %.60q", len(back), back)
			}
		})
	}
	sshtest.Eventually(t, "no open connection", func() bool { return tun.busy() == 0 })
}

func TestNamesAreResolvedAtTheFarEnd(t *testing.T) {
	tun, p := dynamicTunnel(t)
	var asked atomic.Value
	p.OnOpen = func(c ssh.NewChannel) {
		var m sshconn.TCPOpen
		ssh.Unmarshal(c.ExtraData(), &m)
		asked.Store(m.Host)
		c.Reject(ssh.ConnectionFailed, "Connection refused")
	}
	for _, request := range [][]byte{
		socks5Request(1, "only.known.there", 80), socks4aRequest(1, "only.known.there", 80), httpRequest("only.known.there", 80),
	} {
		asked.Store("")
		exchangeAll(t, dialTo(t, tun.boundAt(0)), request)
		if asked.Load() != "only.known.there" {
			t.Errorf("%.20q asked for %q", request, asked.Load())
		}
	}
}

func TestProxyRefusalsAreHonest(t *testing.T) {
	tun, p := dynamicTunnel(t)
	for _, c := range []struct {
		reason ssh.RejectionReason
		text   string
		code   byte
		status int
	}{
		{ssh.ConnectionFailed, "Connection refused", 5, http.StatusBadGateway},
		{ssh.ConnectionFailed, "Network is unreachable", 3, http.StatusBadGateway},
		{ssh.ConnectionFailed, "No route to host", 4, http.StatusBadGateway},
		{ssh.ConnectionFailed, "Name or service not known", 4, http.StatusBadGateway},
		{ssh.ConnectionFailed, "Connection timed out", 6, http.StatusGatewayTimeout},
		{ssh.Prohibited, "open failed", 2, http.StatusForbidden},
	} {
		p.OnOpen = func(n ssh.NewChannel) { n.Reject(c.reason, c.text) }
		back := exchangeAll(t, dialTo(t, tun.boundAt(0)), socks5Request(1, "h", 80))
		if len(back) != 12 || back[2] != 5 || back[3] != c.code {
			t.Errorf("%s: SOCKS5 answered % x, want code %d", c.text, back, c.code)
		}
		back = exchangeAll(t, dialTo(t, tun.boundAt(0)), socks4aRequest(1, "h", 80))
		if len(back) != 8 || back[1] != 0x5b {
			t.Errorf("%s: SOCKS4 answered % x", c.text, back)
		}
		response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(exchangeAll(t, dialTo(t, tun.boundAt(0)), httpRequest("h", 80)))), nil)
		if err != nil || response.StatusCode != c.status {
			t.Errorf("%s: HTTP answered %v, %v; want %d", c.text, response, err, c.status)
		}
	}
}

func TestProxyNonsenseIsEnded(t *testing.T) {
	tun, _ := dynamicTunnel(t)
	for _, c := range []struct{ send, want string }{
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400"},
		{"GET https://x/ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 501"},
		{"GET http://x:y/ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400"},
		{"GET http://x:99999/ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400"},
		{"GET http:///path HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400"},
		{"CONNECT nowhere HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
		{"CONNECT " + strings.Repeat("x", 20000), "HTTP/1.1 400"},
		{"\x16\x03\x01\x02\x00\x01", ""},
		{"\x00", ""},
		{string(socks5Request(2, "h", 80)), "\x05\x00\x05\x07"},
		{string(socks5Request(3, "h", 80)), "\x05\x00\x05\x07"},
		{string(socks5Request(1, "", 80)), "\x05\x00\x05\x01"},
		{string(socks4aRequest(2, "h", 80)), "\x00\x5b"},
		{"\x04\x01\x00\x50\x00\x00\x00\x07u\x00" + strings.Repeat("x", 300), ""},
	} {
		conn := dialTo(t, tun.boundAt(0))
		io.WriteString(conn, c.send)
		conn.CloseWrite()
		back, _ := io.ReadAll(conn) // the end may be a reset: there were bytes that nobody read
		if !strings.HasPrefix(string(back), c.want) {
			t.Errorf("%.20q was answered %q, want %q", c.send, back, c.want)
		}
	}
	sshtest.Eventually(t, "no open connection", func() bool { return tun.busy() == 0 })
}

// What a client sends behind its request for one server is not for that server, on either side of the connection.
func TestHTTPRequestsEndWhereTheyDo(t *testing.T) {
	p := newPeer(t)
	far := target(t, echoBytes)
	o := &config.Options{Forwards: []config.Forward{
		{Kind: config.Dynamic, Listen: config.Endpoint{Host: "127.0.0.1", HostSet: true}}, {Kind: config.Remote},
	}}
	tun := newTestTunnel(t, o)
	tun.Join(p.session(config.Echo{}))
	sshtest.Eventually(t, "listening", func() bool { return tun.Forwards()[1].State == ForwardListening })
	_, port, _ := net.SplitHostPort(tun.Forwards()[1].Bound[0])
	body := strings.Repeat("x", 100_000)
	for name, address := range map[string]string{"-D": tun.boundAt(0), "-R": "127.0.0.1:" + port} {
		head := fmt.Sprintf(" HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", far.Port, len(body))
		request := fmt.Sprintf("POST http://localhost:%d/a HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", far.Port, len(body), body)
		back := string(exchangeAll(t, dialTo(t, address), []byte(request+"GET http://other/ HTTP/1.1\r\nCookie: secret\r\n\r\n")))
		if back != "POST /a"+head+body {
			t.Errorf("%s: the server saw %d bytes, %.120q … %.60q", name, len(back), back, back[max(0, len(back)-60):])
		}
	}
	sshtest.Eventually(t, "no open connection", func() bool { return tun.busy() == 0 })
}

func TestRemoteDynamic(t *testing.T) {
	p := newPeer(t)
	near := target(t, echoBytes)
	o := &config.Options{Forwards: []config.Forward{{Kind: config.Remote}}}
	tun := newTestTunnel(t, o)
	tun.Join(p.session(config.Echo{}))
	sshtest.Eventually(t, "listening", func() bool { return tun.Forwards()[0].State == ForwardListening })
	_, port, _ := net.SplitHostPort(tun.Forwards()[0].Bound[0])
	back := exchangeAll(t, dialTo(t, "127.0.0.1:"+port), append(socks5Request(1, "localhost", near.Port), "hello"...))
	if !strings.HasSuffix(string(back), "hello") {
		t.Errorf("got %q", back)
	}
}

func TestPermitRemoteOpen(t *testing.T) {
	target := config.Endpoint{Host: "db", HostSet: true, Port: 5432}
	for _, c := range []struct {
		rules []string
		want  bool
	}{
		{nil, true}, {[]string{}, false}, {[]string{"none"}, false}, {[]string{"db:5432"}, true}, {[]string{"db:*"}, true},
		{[]string{"*:5432"}, true}, {[]string{"other:5432", "db:1"}, false}, {[]string{"other:1", "db:5432"}, true},
	} {
		if got := permitted(c.rules, target); got != c.want {
			t.Errorf("%v: %v", c.rules, got)
		}
	}
}
