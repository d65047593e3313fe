package config

import (
	"net"
	"strconv"
)

// Kind is the direction of a forward, named by the option of ssh(1).
type Kind byte

// The kinds of forward.
const (
	Local   Kind = 'L' // listen here, connect there
	Remote  Kind = 'R' // listen there, connect here; with a zero Target it is a SOCKS proxy towards our side
	Dynamic Kind = 'D' // listen here, SOCKS or HTTP CONNECT says where to connect there
)

// Endpoint is one end of a forward: a TCP port or a Unix socket.
type Endpoint struct {
	Host    string // name or address, without brackets
	HostSet bool   // a host was written; tells the empty address ("every interface") from none at all
	Port    int    // 0..65535; 0 only for Remote listeners: the server chooses
	Path    string // Unix socket; then all the above are zero
}

// IsUnix tells a Unix socket from a TCP port.
func (e Endpoint) IsUnix() bool { return e.Path != "" }

// Forward is one -L, -R or -D.
type Forward struct {
	Kind   Kind
	Listen Endpoint
	Target Endpoint // zero for Dynamic and for a remote SOCKS proxy
	Source Source
}

// IsSOCKS tells whether the client says the target: -D, or -R without one.
func (f Forward) IsSOCKS() bool { return f.Target == (Endpoint{}) }

func joinHostPort(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}
