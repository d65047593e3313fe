package tunnel

import "net"

// plainReader is readerOf for connections without a descriptor of their own.
func plainReader(conn net.Conn) func() (*[largeBuffer]byte, int, error) {
	return func() (*[largeBuffer]byte, int, error) {
		large := buffers.Get().(*[largeBuffer]byte)
		n, err := conn.Read(large[:])
		return large, n, err
	}
}
