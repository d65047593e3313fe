// Package gone notices that the program at the other end of a connection has left, while nothing is read from it.
package gone

import (
	"context"
	"net"
)

// Watch calls left once if the peer of conn leaves before stop is called, or has left already. Nothing is read. stop must be
// called, and conn must not be read before it has returned.
func Watch(conn net.Conn, left func()) (stop func()) {
	if own, ok := conn.(interface{ Left() context.Context }); ok { // it knows by itself
		stop := context.AfterFunc(own.Left(), left)
		return func() { stop() }
	}
	return watch(conn, left)
}
