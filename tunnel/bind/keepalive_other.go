//go:build !linux

package bind

import "net"

func listenConfig() *net.ListenConfig { return new(net.ListenConfig) }
