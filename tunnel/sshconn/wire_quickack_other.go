//go:build !linux

package sshconn

import "net"

func (w *wire) acknowledge(uintptr)   {}
func acknowledges(conn net.Conn) bool { return false }
