package proxy

import (
	"bufio"
	"bytes"
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

// serveHTTPConnect serves CONNECT (RFC 9110 §9.3.6). Other methods get 405: this is a tunnel, not a web proxy.
func serveHTTPConnect(ctx context.Context, c *client, first byte) error {
	head := &io.LimitedReader{R: c, N: maxHTTPHead}
	in := bufio.NewReader(io.MultiReader(bytes.NewReader([]byte{first}), head))
	request, err := http.ReadRequest(in)
	if err != nil {
		answerHTTP(c, http.StatusBadRequest, "not an HTTP request")
		return fmt.Errorf("HTTP request not understood: %w", foreign.Error(err))
	}
	if request.Method != http.MethodConnect {
		answerHTTP(c, http.StatusMethodNotAllowed, "only CONNECT is offered here")
		return fmt.Errorf("HTTP method %q is not supported", foreign.Line(request.Method))
	}
	host, port, err := net.SplitHostPort(request.Host)
	number, convErr := strconv.ParseUint(port, 10, 16)
	if err := errors.Join(err, convErr); err != nil {
		answerHTTP(c, http.StatusBadRequest, "CONNECT needs host:port")
		return fmt.Errorf("HTTP CONNECT to %q: %w", foreign.Line(request.Host), foreign.Error(err))
	}
	r, err := c.open(ctx, host, int(number))
	if err != nil {
		answerHTTP(c, httpStatus(err), err.Error())
		return err
	}
	if _, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		r.Abandon(ctx)
		return err
	}
	early, _ := in.Peek(in.Buffered())
	return carry(ctx, r, early)
}

func answerHTTP(w io.Writer, status int, text string) {
	allow := ""
	if status == http.StatusMethodNotAllowed {
		allow = "Allow: CONNECT\r\n"
	}
	text += "\n"
	fmt.Fprintf(w, "HTTP/1.1 %d %s\r\n%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), allow, len(text), text)
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
