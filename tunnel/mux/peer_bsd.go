//go:build darwin || freebsd

package mux

import "golang.org/x/sys/unix"

// peerOf returns the user of the program at the other end of a Unix socket (LOCAL_PEERCRED in unix(4)).
func peerOf(fd int) (uid int, err error) {
	peer, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(peer.Uid), nil
}
