//go:build unix

package errno

import "syscall"

// What a call on a socket can meet.
const (
	Refused   = syscall.ECONNREFUSED
	Reset     = syscall.ECONNRESET
	Broken    = syscall.EPIPE
	TimedOut  = syscall.ETIMEDOUT
	InUse     = syscall.EADDRINUSE
	NoAddress = syscall.EADDRNOTAVAIL
	NoFamily  = syscall.EAFNOSUPPORT
	NoNetwork = syscall.ENETUNREACH
	NoHost    = syscall.EHOSTUNREACH
	Denied    = syscall.EACCES
)
