//go:build !linux

package tunnel

import "net"

func quickAcker(net.Conn) func() { return func() {} }
