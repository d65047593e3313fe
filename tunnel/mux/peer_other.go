//go:build !linux && !darwin && !freebsd

package mux

import "os"

// peerOf relies on the mode of the socket's file.
func peerOf(int) (uid int, err error) { return os.Geteuid(), nil }
