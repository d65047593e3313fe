// Package unixconn has connections over Unix sockets end as those of TCP can: by a reset, so that whoever reads at the other end knows
// that something is missing.
package unixconn

import "net"

// Stream is a connection that can end in one direction.
type Stream interface {
	net.Conn
	CloseWrite() error
}
