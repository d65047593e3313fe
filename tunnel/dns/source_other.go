//go:build !linux

package dns

import (
	"errors"
	"net"
)

const controlSize = 0

// tellDestination is for Linux alone: elsewhere the kernel chooses where answers come from.
func tellDestination(*net.UDPConn, bool) error { return errors.ErrUnsupported }

func sameSource([]byte) []byte { return nil }
