package lab

import (
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// FullPipe makes a named pipe that takes no more, since nobody reads what is in it, and returns it for whoever does in the end.
func FullPipe(t testing.TB, path string) *os.File {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pipe.Close() })
	pipe.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	for err == nil {
		_, err = pipe.Write(make([]byte, 4096))
	}
	Eventually(t, Patience, "the pipe is full", func() bool { return IsFull(t, pipe) })
	return pipe
}

// IsFull reports whether a pipe takes no more.
func IsFull(t testing.TB, pipe *os.File) bool {
	t.Helper()
	raw, err := pipe.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	waiting, room := 0, 0
	raw.Control(func(fd uintptr) {
		waiting, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		room, _ = unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0)
	})
	return room > 0 && waiting > room-4096
}
