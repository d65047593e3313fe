//go:build !unix

package tunnel

import "net"

func readerOf(conn net.Conn) func() (*[largeBuffer]byte, int, error) { return plainReader(conn) }
