package forward

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// One -D port speaks SOCKS5, SOCKS4, SOCKS4a and HTTP CONNECT; names go to the far end as names.
func TestDynamicForwardSpeaksEveryProtocol(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Server.Kill()
	l.Server.Configure("LogLevel DEBUG1")
	l.Server.Start()
	four := lab.StartTarget(t, lab.Echo).Address()
	_, port, _ := net.SplitHostPort(four)
	name := "localhost:" + port
	nobody := lab.Loopback(lab.FreePort(t))
	listener, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("needs IPv6 on loopback: ", err)
	}
	six := lab.StartTargetOn(t, listener, lab.Echo).Address()
	way := lab.DynamicRoute(t, four)
	l.Open(lab.Tunneld, []lab.Route{way})

	cases := []struct {
		name  string
		agree lab.Agreement
		want  error
	}{
		{"SOCKS5, IPv4", lab.Socks5(four), nil},
		{"SOCKS5, IPv6", lab.Socks5(six), nil},
		{"SOCKS5, name", lab.Socks5(name), nil},
		{"SOCKS5, refused", lab.Socks5(nobody), lab.ProxyError(5)},
		{"SOCKS4", lab.Socks4(four), nil},
		{"SOCKS4a", lab.Socks4(name), nil},
		{"SOCKS4, refused", lab.Socks4(nobody), lab.ProxyError(91)},
		{"CONNECT, IPv4", lab.HttpConnect(four), nil},
		{"CONNECT, IPv6", lab.HttpConnect(six), nil},
		{"CONNECT, name", lab.HttpConnect(name), nil},
		{"CONNECT, refused", lab.HttpConnect(nobody), lab.ProxyError(502)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conn, err := way.Towards(c.agree).Dial()
			if err != c.want {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err == nil {
				lab.Check(t, lab.EchoTransfer(conn, 1, 1<<20))
				conn.Close()
			}
		})
	}
	if asked := "target localhost port " + port; !strings.Contains(l.Server.Log(), asked) {
		t.Errorf("the server was not asked for a name: no %q in its log", asked)
	}
}

// startSite returns the address of a web server and what its pages hold.
func startSite(t *testing.T) (address, page string) {
	page = "hello from the far end"
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }))
	t.Cleanup(site.Close)
	return site.Listener.Addr().String(), page
}

// curl is the client that most people try first.
func TestCurlThroughADynamicForward(t *testing.T) {
	t.Parallel()
	lab.Need(t, "curl")
	l := lab.New(t)
	site, page := startSite(t)
	way := lab.DynamicRoute(t, site)
	l.Open(lab.Tunneld, []lab.Route{way})
	for _, scheme := range []string{"socks5", "socks5h", "socks4", "socks4a", "http"} {
		t.Run(scheme, func(t *testing.T) {
			out, err := exec.Command("curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "",
				"--proxytunnel", "--proxy", scheme+"://"+way.Address, "http://"+site).CombinedOutput()
			if string(out) != page {
				t.Errorf("curl gave %q, %v; want %q", out, err, page)
			}
		})
	}
}

// http_proxy=http://localhost:1080 is what wget and many others understand of proxies: an http:// address is asked for in full.
func TestHTTPProxyThroughADynamicForward(t *testing.T) {
	t.Parallel()
	lab.Need(t, "wget")
	lab.Need(t, "curl")
	l := lab.New(t)
	one, page := startSite(t)
	var asked atomic.Value
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		asked.Store(r.Host + r.RequestURI + " " + r.Header.Get("Proxy-Connection"))
		fmt.Fprintf(w, "%s %d %v", r.Method, len(body), err)
	}))
	t.Cleanup(other.Close)
	two := other.Listener.Addr().String()
	way := lab.DynamicRoute(t, one)
	l.Open(lab.Tunneld, []lab.Route{way})
	proxy := "http://" + way.Address
	file := filepath.Join(t.TempDir(), "file")
	lab.Check(t, os.WriteFile(file, bytes.Repeat([]byte("x"), 1<<20), 0o600))
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"wget", []string{"wget", "--quiet", "--output-document=-", "--tries=1", "--timeout=20", "http://" + one}, page},
		{"two servers, one client", []string{"curl", "--silent", "--show-error", "--max-time", "20", "http://" + one, "http://" + two + "/path", "http://" + one}, page + "GET 0 <nil>" + page},
		{"an upload", []string{"curl", "--silent", "--show-error", "--max-time", "20", "--data-binary", "@" + file, "http://" + two}, "POST 1048576 <nil>"},
		{"an upload in chunks", []string{"curl", "--silent", "--show-error", "--max-time", "20", "--header", "Transfer-Encoding: chunked", "--data-binary", "@" + file, "http://" + two + "/path"}, "POST 1048576 <nil>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), c.args[0], c.args[1:]...)
			cmd.Env = append(os.Environ(), "http_proxy="+proxy, "no_proxy=")
			if out, err := cmd.CombinedOutput(); string(out) != c.want {
				t.Errorf("got %q, %v; want %q", out, err, c.want)
			}
		})
	}
	if want := two + "/path "; asked.Load() != want {
		t.Errorf("the server was asked for %q, want %q", asked.Load(), want)
	}
}

// A client that says nothing, or nonsense, is got rid of and harms nobody.
func TestStrangersAtADynamicForward(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	way := lab.DynamicRoute(t, lab.StartTarget(t, lab.Echo).Address())
	l.Open(lab.Tunneld, []lab.Route{way})
	for _, greeting := range []string{"\x00", "\x05\x00", "\x16\x03\x01 TLS?", "GET / HTTP/1.1\r\n\r\n", "\x04\x02\x00\x50\x7f\x00\x00\x01\x00", "\x05\x01\x02"} {
		t.Run(fmt.Sprintf("%q", greeting), func(t *testing.T) {
			conn, err := net.Dial(way.Network, way.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			io.WriteString(conn, greeting)
			lab.CloseWrite(conn)
			if err := lab.ReadToEnd(conn, lab.Patience); err != nil && !lab.WasReset(err) {
				t.Errorf("ended with %v, want the end or a reset", err)
			}
		})
	}
	mute, err := net.Dial(way.Network, way.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	lab.Check(t, way.Works(5*time.Second))
}
