package tunnel

import (
	"io"
	"net"
	"syscall"
)

// readerOf returns a function that waits until conn has bytes and only then takes a large buffer from the pool, so that an
// idle connection holds none. The caller puts the buffer back; it is nil where nothing was read. The end is io.EOF.
func readerOf(conn net.Conn) func() (*[largeBuffer]byte, int, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return plainReader(conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return plainReader(conn)
	}
	read := readNow
	if own, ok := conn.(interface {
		readNow(fd int, b []byte) (int, error)
	}); ok {
		read = own.readNow
	}
	return func() (large *[largeBuffer]byte, n int, err error) {
		waitErr := raw.Read(func(fd uintptr) bool {
			large = buffers.Get().(*[largeBuffer]byte)
			n, err = read(int(fd), large[:])
			if err == syscall.EAGAIN {
				buffers.Put(large)
				large, n, err = nil, 0, nil
				return false
			}
			return true
		})
		switch {
		case waitErr != nil:
			return large, 0, waitErr
		case err != nil:
			return large, 0, err
		case n == 0:
			return large, 0, io.EOF
		}
		return large, n, nil
	}
}

func readNow(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// plainReader is readerOf for connections without a descriptor of their own.
func plainReader(conn net.Conn) func() (*[largeBuffer]byte, int, error) {
	return func() (*[largeBuffer]byte, int, error) {
		large := buffers.Get().(*[largeBuffer]byte)
		n, err := conn.Read(large[:])
		return large, n, err
	}
}
