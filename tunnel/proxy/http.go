package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
)

// maxHTTPHead is the longest request line and header that is read.
const maxHTTPHead = 16 << 10

// serveHTTP serves CONNECT (RFC 9110 §9.3.6), and each other method for an http:// target in absolute form (RFC 9112 §3.2.2), as
// wget and others send it that have http_proxy. What it is asked for in any other form is refused: this is no web server.
func serveHTTP(ctx context.Context, c *client) error {
	in := bufio.NewReader(&io.LimitedReader{R: c, N: maxHTTPHead})
	request, err := http.ReadRequest(in)
	if err != nil {
		answerHTTP(c, http.StatusBadRequest, "not an HTTP request")
		return fmt.Errorf("HTTP request not understood: %w", foreign.Error(err))
	}
	host, port, status, err := httpTarget(request)
	if err != nil {
		answerHTTP(c, status, err.Error())
		return err
	}
	r, err := c.open(ctx, host, port)
	if err != nil {
		answerHTTP(c, httpStatus(err), err.Error())
		return err
	}
	early, _ := in.Peek(in.Buffered())
	if request.Method != http.MethodConnect {
		own := extentOf(request)
		if own != nil {
			early = early[:own(early)]
		}
		return carry(ctx, r, append(originHead(request), early...), own)
	}
	if _, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		r.Abandon(ctx)
		return err
	}
	return carry(ctx, r, early, nil)
}

// httpTarget returns where a request goes. An error comes with the status to answer.
func httpTarget(request *http.Request) (host string, port, status int, err error) {
	authority, otherwise := request.Host, "" // of CONNECT
	if request.Method != http.MethodConnect {
		switch u := request.URL; {
		case u.Scheme == "" || u.Host == "":
			return "", 0, http.StatusBadRequest, fmt.Errorf("this is a proxy for CONNECT host:port and for http:// addresses, not a web server: HTTP %q", foreign.Line(request.Method))
		case u.Scheme != "http":
			return "", 0, http.StatusNotImplemented, fmt.Errorf("only http:// is asked for by a proxy, anything else by CONNECT: HTTP %q of %q", foreign.Line(request.Method), foreign.Line(u.Scheme))
		case u.Port() == "":
			otherwise = "80"
		}
		authority = request.URL.Host
	}
	if otherwise != "" {
		authority = net.JoinHostPort(request.URL.Hostname(), otherwise)
	}
	host, text, err := net.SplitHostPort(authority)
	number, convErr := strconv.ParseUint(text, 10, 16)
	if err := errors.Join(err, convErr); err != nil {
		return "", 0, http.StatusBadRequest, fmt.Errorf("HTTP %s to %q is not to host:port: %w", foreign.Line(request.Method), foreign.Line(authority), foreign.Error(err))
	}
	return host, int(number), 0, nil
}

func answerHTTP(w io.Writer, status int, text string) {
	text += "\n"
	fmt.Fprintf(w, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), len(text), text)
}

// httpStatus returns the status (RFC 9110 §15) that says why there is no route.
func httpStatus(err error) int {
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(err, &refused) && refused.Reason == ssh.Prohibited, errors.Is(err, ErrNotAllowed):
		return http.StatusForbidden
	case replyCode(err) == socks5TTLExpired:
		return http.StatusGatewayTimeout
	case errors.Is(err, ErrUnavailable):
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}
