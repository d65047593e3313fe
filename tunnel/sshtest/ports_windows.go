package sshtest

import (
	"fmt"
	"net"
)

// reserve returns what holds n ports in a row, which is nothing, or nil: somebody has one of them.
func reserve(first, n int) []net.Listener {
	for port := first; port < first+n; port++ {
		if !bindable(port) {
			return nil
		}
	}
	return []net.Listener{}
}

// bindable reports whether nobody listens on a port.
func bindable(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}
