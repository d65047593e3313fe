//go:build !linux

package tunnel

import (
	"net"
	"time"
)

// resettable returns conn as it is: a Unix connection cannot be reset here.
func resettable(conn stream) stream { return conn }

// firstByteTime is how long a program may take to send its first byte.
const firstByteTime = 10 * time.Second

// ofProgram returns conn behind its first byte.
func ofProgram(conn *net.UnixConn) stream {
	conn.SetReadDeadline(time.Now().Add(firstByteTime))
	conn.Read(make([]byte, 1)) // what is wrong with conn will show again
	conn.SetReadDeadline(time.Time{})
	return conn
}
