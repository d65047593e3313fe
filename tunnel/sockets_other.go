//go:build !unix

package tunnel

import "net"

// takesBothFamilies is false: sockets are inherited on Unix alone.
func takesBothFamilies(net.Listener) bool { return false }
