package errno

import "golang.org/x/sys/windows"

// What a call on a socket can meet.
const (
	Refused   = windows.WSAECONNREFUSED
	Reset     = windows.WSAECONNRESET
	Broken    = windows.WSAECONNABORTED
	TimedOut  = windows.WSAETIMEDOUT
	InUse     = windows.WSAEADDRINUSE
	NoAddress = windows.WSAEADDRNOTAVAIL
	NoFamily  = windows.WSAEAFNOSUPPORT
	NoNetwork = windows.WSAENETUNREACH
	NoHost    = windows.WSAEHOSTUNREACH
	Denied    = windows.WSAEACCES
)
