package gone

import "net"

// watch does nothing: that the peer has left is noticed when something is read from it.
func watch(net.Conn, func()) (stop func()) { return func() {} }
