//go:build !linux

package unixconn

import (
	"net"
	"time"
)

// Of returns conn as it is: a Unix connection cannot be reset here.
func Of(conn *net.UnixConn) Stream { return conn }

// firstByteTime is how long a program may take to send its first byte.
const firstByteTime = 10 * time.Second

// OfProgram returns conn behind its first byte.
func OfProgram(conn *net.UnixConn) Stream {
	conn.SetReadDeadline(time.Now().Add(firstByteTime))
	conn.Read(make([]byte, 1)) // what is wrong with conn will show again
	conn.SetReadDeadline(time.Time{})
	return conn
}
