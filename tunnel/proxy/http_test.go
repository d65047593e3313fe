package proxy

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config"
)

// listener is a Route that keeps what was sent.
type listener struct {
	bytes.Buffer
	own Extent
}

func (l *listener) Run(_ context.Context, own Extent) { l.own = own }
func (l *listener) Abandon(context.Context)           {}

// forwarded returns where a request went, and what arrived there.
func forwarded(t *testing.T, said string) (config.Endpoint, *listener) {
	t.Helper()
	var target config.Endpoint
	var there listener
	c := &talker{said: []byte(said)}
	err := Serve(t.Context(), c, anyAddr(), func(_ context.Context, to config.Endpoint) (Route, error) {
		target = to
		return &there, nil
	})
	if err != nil {
		t.Fatalf("%v; answered %q", err, c.heard.String())
	}
	return target, &there
}

func TestAbsoluteFormBecomesOriginForm(t *testing.T) {
	for _, c := range []struct{ said, host, want string }{
		{
			"GET http://host.example HTTP/1.1\r\nHost: other\r\nProxy-Connection: keep-alive\r\n\r\n",
			"host.example:80", "GET / HTTP/1.1\r\nHost: host.example\r\nConnection: close\r\n\r\n",
		},
		{
			"GET http://user:secret@host.example:8080/a%2Fb?c=%20d HTTP/1.0\r\nUser-Agent: Wget\r\nProxy-Authorization: Basic x\r\n\r\n",
			"host.example:8080", "GET /a%2Fb?c=%20d HTTP/1.0\r\nHost: host.example:8080\r\nConnection: close\r\nUser-Agent: Wget\r\n\r\n",
		},
		{
			"GET http://[::1]/ HTTP/1.1\r\nConnection: keep-alive, X-Hop, Content-Length\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nCookie: a\r\n\r\n",
			"[::1]:80", "GET / HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\nCookie: a\r\n\r\n",
		},
		{
			"POST http://h/ HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyGET http://other/ HTTP/1.1\r\n\r\n",
			"h:80", "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
		},
		{
			"POST http://h/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nbody\r\n0\r\nTrailer: z\r\n\r\nGET http://other/ HTTP/1.1\r\n\r\n",
			"h:80", "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nbody\r\n0\r\nTrailer: z\r\n\r\n",
		},
		{
			"GET http://h/chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes",
			"h:80", "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes",
		},
		{
			"OPTIONS http://h HTTP/1.1\r\n\r\n",
			"h:80", "OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
		},
	} {
		target, there := forwarded(t, c.said)
		if at := net.JoinHostPort(target.Host, strconv.Itoa(target.Port)); at != c.host || there.String() != c.want {
			t.Errorf("%q\nwent to %s as %q,\nwant %s and %q", c.said, at, there.String(), c.host, c.want)
		}
		if upgrade := strings.Contains(c.said, "Upgrade"); (there.own == nil) != upgrade {
			t.Errorf("%q: all that follows goes there: %t", c.said, there.own == nil)
		}
	}
}

// Where a body ends does not depend on the pieces in which it comes.
func TestChunksEndWhereTheyDo(t *testing.T) {
	for _, c := range []struct{ body, behind string }{
		{"0\r\n\r\n", "GET"},
		{"5\r\nhello\r\n00A ; name=\"x\"\r\n0123456789\r\n0\r\nA: b\r\nC: d\r\n\r\n", "GET"},
		{"3\n\r\n\n\n0\n\n", "\n"},
		{"no number\r\n", "5\r\nhello\r\n"},
		{"\r\n", "5\r\n"},
		{"fffffffffffffffffff\r\n", "x"},
		{"-1\r\n", "x"},
		{"7fffffffffffffff\r\n", "x"},
	} {
		for piece := 1; piece <= len(c.body)+len(c.behind); piece++ {
			own, taken := new(chunks).extent, 0
			for rest := []byte(c.body + c.behind); len(rest) > 0; {
				next := rest[:min(piece, len(rest))]
				n := own(next)
				taken += n
				if n < len(next) {
					break
				}
				rest = rest[n:]
			}
			if taken != len(c.body) {
				t.Errorf("%q in pieces of %d: %d bytes are its own, want %d", c.body+c.behind, piece, taken, len(c.body))
			}
		}
	}
}

// A line that never ends is not kept.
func TestChunkLinesAreBounded(t *testing.T) {
	var c chunks
	for sent := 0; ; sent += 1000 {
		if n := c.extent(bytes.Repeat([]byte("0"), 1000)); n < 1000 {
			break
		}
		if sent > 2*maxChunkLine {
			t.Fatalf("%d bytes of a line are kept", len(c.line))
		}
	}
}

// FuzzExtent finds the end of a body a second time, as net/http reads it.
func FuzzExtent(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\nGET"), 3)
	f.Add([]byte("a;b\r\n0123456789\r\n0\r\nX: y\r\n\r\n"), 1)
	f.Fuzz(func(t *testing.T, body []byte, piece int) {
		piece = max(1, piece)
		own, taken := new(chunks).extent, 0
		for rest := body; len(rest) > 0; {
			n := own(rest[:min(piece, len(rest))])
			if n < min(piece, len(rest)) {
				taken += n
				break
			}
			taken, rest = taken+n, rest[n:]
		}
		head := "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		in := bufio.NewReader(strings.NewReader(head + string(body)))
		r, err := http.ReadRequest(in)
		if err != nil {
			t.Fatal(err)
		}
		var all bytes.Buffer
		if _, err := all.ReadFrom(r.Body); err == nil {
			left := in.Buffered()
			rest, _ := in.Peek(left)
			if len(body) < 4<<10 && taken != len(body)-len(rest) {
				t.Errorf("%q: %d bytes are the request's, net/http read %d", body, taken, len(body)-len(rest))
			}
		}
	})
}
