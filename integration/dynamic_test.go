package integration

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// One -D port speaks SOCKS5, SOCKS4, SOCKS4a and HTTP CONNECT; names go to the far end as names.
func TestDynamicForwardSpeaksEveryProtocol(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.server.kill()
	l.server.configure("LogLevel DEBUG1")
	l.server.start()
	four := startTarget(t, echo).address()
	_, port, _ := net.SplitHostPort(four)
	name := "localhost:" + port
	nobody := loopback(freePort(t))
	listener, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("needs IPv6 on loopback: ", err)
	}
	six := startTargetOn(t, listener, echo).address()
	way := dynamicRoute(t, four)
	l.open(tunneld, []route{way})

	cases := []struct {
		name  string
		agree agreement
		want  error
	}{
		{"SOCKS5, IPv4", socks5(four), nil},
		{"SOCKS5, IPv6", socks5(six), nil},
		{"SOCKS5, name", socks5(name), nil},
		{"SOCKS5, refused", socks5(nobody), proxyError(5)},
		{"SOCKS4", socks4(four), nil},
		{"SOCKS4a", socks4(name), nil},
		{"SOCKS4, refused", socks4(nobody), proxyError(91)},
		{"CONNECT, IPv4", httpConnect(four), nil},
		{"CONNECT, IPv6", httpConnect(six), nil},
		{"CONNECT, name", httpConnect(name), nil},
		{"CONNECT, refused", httpConnect(nobody), proxyError(502)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conn, err := way.towards(c.agree).dial()
			if err != c.want {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err == nil {
				check(t, echoTransfer(conn, 1, 1<<20))
				conn.Close()
			}
		})
	}
	if asked := "target localhost port " + port; !strings.Contains(l.server.log(), asked) {
		t.Errorf("the server was not asked for a name: no %q in its log", asked)
	}
}

// startSite gives the address of a web server and what its pages hold.
func startSite(t *testing.T) (address, page string) {
	page = "hello from the far end"
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }))
	t.Cleanup(site.Close)
	return site.Listener.Addr().String(), page
}

// curl is the client that most people try first.
func TestCurlThroughADynamicForward(t *testing.T) {
	t.Parallel()
	need(t, "curl")
	l := newLab(t)
	site, page := startSite(t)
	way := dynamicRoute(t, site)
	l.open(tunneld, []route{way})
	for _, scheme := range []string{"socks5", "socks5h", "socks4", "socks4a", "http"} {
		t.Run(scheme, func(t *testing.T) {
			out, err := exec.Command("curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "",
				"--proxytunnel", "--proxy", scheme+"://"+way.address, "http://"+site).CombinedOutput()
			if string(out) != page {
				t.Errorf("curl gave %q, %v; want %q", out, err, page)
			}
		})
	}
}

// A client that says nothing, or nonsense, is got rid of and harms nobody.
func TestStrangersAtADynamicForward(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	way := dynamicRoute(t, startTarget(t, echo).address())
	l.open(tunneld, []route{way})
	for _, greeting := range []string{"\x00", "\x05\x00", "\x16\x03\x01 TLS?", "GET / HTTP/1.1\r\n\r\n", "\x04\x02\x00\x50\x7f\x00\x00\x01\x00", "\x05\x01\x02"} {
		t.Run(fmt.Sprintf("%q", greeting), func(t *testing.T) {
			conn, err := net.Dial(way.network, way.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			io.WriteString(conn, greeting)
			closeWrite(conn)
			if err := readToEnd(conn, patience); err != nil && !wasReset(err) {
				t.Errorf("ended with %v, want the end or a reset", err)
			}
		})
	}
	mute, err := net.Dial(way.network, way.address)
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	check(t, way.works(5*time.Second))
}
