// Package connect is the near end of `tunneld connect`: it asks a running tunnel for a connection over its control socket, and
// joins that and the two files of the program that started it, or hands the socket itself over.
//
// A program that starts another one to connect for it wants one of the two. ssh says which with ProxyUseFdpass, but not to the
// helper: nc(1) has a flag for it (-F), which has to agree with ssh_config, and so has this one (--fdpass). Without the flag it
// is found out, because one line of ssh_config is to do in both cases: where ssh waits for a socket, it gives its helper one
// pair of sockets for both files, and else two pipes. Others give their helpers such a pair to carry bytes through it (libssh
// and socat do), so that the program that made it counts as well: it has to be OpenSSH's ssh, under whatever name.
package connect

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/tunneld/tunneld/config"
)

// Protocol is what the two ends speak after the daemon has agreed: bytes, the first of which, from here, is thrown away.
const Protocol = "tunneld-connect"

// maxHead bounds what comes before the bytes, or in their place.
const maxHead = 64 << 10

// RefusedError says that there is no connection. Body is the daemon's answer.
type RefusedError struct {
	Status string
	Body   []byte
}

func (e *RefusedError) Error() string { return "refused: " + e.Status }

// Query returns how the daemon is asked for a connection from the tunnel to target.
func Query(tunnel string, target config.Endpoint) url.Values {
	query := url.Values{"tunnel": {tunnel}}
	if target.IsUnix() {
		query.Set("path", target.Path)
		return query
	}
	query.Set("host", target.Host)
	query.Set("port", fmt.Sprint(target.Port))
	return query
}

// Ask asks over conn, which leads to a control socket. When it returns, the connection is there and not a byte of it has been
// read. It waits for as long as the daemon holds it, or until ctx is done, which leaves conn unusable. A refusal is a
// *RefusedError.
func Ask(ctx context.Context, conn net.Conn, query url.Values) error {
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })() // long ago
	err := ask(ctx, conn, query)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func ask(ctx context.Context, conn net.Conn, query url.Values) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tunneld/connect?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", Protocol)
	if err := request.Write(conn); err != nil {
		return err
	}
	head, err := readHead(conn)
	if err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(head), io.LimitReader(conn, maxHead))), request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(io.LimitReader(answer.Body, maxHead))
		return errors.Join(err, &RefusedError{answer.Status, body})
	}
	_, err = conn.Write([]byte{0}) // "I have read your answer"
	return err
}

// errNoHead is an answer that is none.
var errNoHead = errors.New("the answer has no end of its header")

// readHead reads as far as the empty line, and not a byte of what follows.
func readHead(conn io.Reader) ([]byte, error) {
	head := make([]byte, 0, 512)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if len(head) == maxHead {
			return nil, errNoHead
		}
		var one [1]byte
		if _, err := io.ReadFull(conn, one[:]); err != nil {
			return nil, err
		}
		head = append(head, one[0])
	}
	return head, nil
}
