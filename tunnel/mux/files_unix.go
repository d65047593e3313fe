//go:build unix

package mux

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// receiveFile takes one byte and the descriptor that comes with it. The kernel rounds the room for one up to that for two:
// others that come along are closed.
func receiveFile(conn *net.UnixConn) (*os.File, error) {
	var b [1]byte
	room := make([]byte, unix.CmsgSpace(4))
	n, rest, _, _, err := conn.ReadMsgUnix(b[:], room)
	if err != nil {
		return nil, errors.Join(errNoFile, err)
	}
	descriptors := descriptorsIn(room[:rest])
	if n == 0 || len(descriptors) != 1 {
		for _, fd := range descriptors {
			unix.Close(fd)
		}
		return nil, errNoFile
	}
	return os.NewFile(uintptr(descriptors[0]), "passed by a client"), nil
}

func descriptorsIn(control []byte) (all []int) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		if some, err := unix.ParseUnixRights(&m); err == nil {
			all = append(all, some...)
		}
	}
	return all
}

// tell writes a few words to a client's file where there is room for them now: nobody waits for a client that does not read.
func tell(file *os.File, words string) {
	raw, err := file.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		room := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, err := unix.Poll(room, 0); err == nil && n == 1 && room[0].Revents&unix.POLLOUT != 0 {
			unix.Write(int(fd), []byte(words))
		}
	})
}
