//go:build !linux

package sshconn

import "net"

func quickAcker(net.Conn) func() { return func() {} }
