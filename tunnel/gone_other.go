//go:build !unix

package tunnel

import "net"

// watchGone can not tell here.
func watchGone(net.Conn, func()) (stop func()) { return func() {} }
