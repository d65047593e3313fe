package connect

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
)

// Target reads HOST PORT as they were typed, or the path of a socket.
func Target(words []string) (config.Endpoint, error) {
	switch {
	case len(words) == 1 && filepath.IsAbs(words[0]):
		return config.Endpoint{Path: words[0]}, nil
	case len(words) != 2:
		return config.Endpoint{}, errors.New("want NAME HOST PORT, or NAME and the absolute path of a socket")
	}
	host := words[0]
	if inside, bracketed := strings.CutPrefix(host, "["); bracketed {
		host = strings.TrimSuffix(inside, "]")
	}
	return endpoint(host, words[1])
}

func endpoint(host, port string) (config.Endpoint, error) {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || host == "" {
		return config.Endpoint{}, fmt.Errorf("%s %s: want a host and a port from 1 to 65535", foreign.Own(host), foreign.Own(port))
	}
	return config.Endpoint{Host: host, HostSet: true, Port: int(number)}, nil
}

// Asked returns the target of a Query.
func Asked(query url.Values) (config.Endpoint, error) {
	if path := query.Get("path"); path != "" {
		return config.Endpoint{Path: path}, nil
	}
	return endpoint(query.Get("host"), query.Get("port"))
}

// acceptTime is how long the client may take to have room for an answer of a few bytes.
const acceptTime = 2 * time.Second

// Accept tells the client of a request that its connection is there, and takes its socket out of the HTTP server's hands. The
// caller closes it. The first byte that comes is not to be passed on.
func Accept(w http.ResponseWriter) (*net.UnixConn, error) {
	raw, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	conn, ok := raw.(*net.UnixConn)
	if !ok {
		raw.Close()
		return nil, errors.New("no Unix socket")
	}
	conn.SetDeadline(time.Now().Add(acceptTime))
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", Protocol)
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
