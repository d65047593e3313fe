package mux

import "golang.org/x/sys/unix"

// peerOf returns the user of the program at the other end of a Unix socket (SO_PEERCRED in unix(7)).
func peerOf(fd int) (uid int, err error) {
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(peer.Uid), nil
}
