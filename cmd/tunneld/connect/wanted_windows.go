package connect

import (
	"errors"
	"net"
	"os"
)

// errNoPass says why no socket is handed over.
var errNoPass = errors.New("not on Windows: its sockets pass no descriptors; leave ProxyUseFdpass out")

// Wanted is false: nobody hands sockets over.
func Wanted(_, _ *os.File) bool { return false }

// Pass does not.
func Pass(*net.UnixConn, *os.File) error { return errNoPass }

// hungUp is false: it is noticed when something is written.
func hungUp(uintptr) bool { return false }

// awaitGone waits until it is over: that the peer has gone is noticed when something is written to it.
func awaitGone(_ *net.UnixConn, over <-chan struct{}) { <-over }
