package auth

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/windows"
)

// pipes is where named pipes are.
const pipes = `\\.\pipe\`

// busyWait is between two attempts at a pipe of which somebody else has the only free end.
const busyWait = 50 * time.Millisecond

// dialSocket connects to a named pipe, such as that of Win32-OpenSSH's agent, or to a Unix socket.
func dialSocket(ctx context.Context, path string) (io.ReadWriteCloser, error) {
	if !strings.HasPrefix(strings.ReplaceAll(path, "/", `\`), pipes) {
		return dialUnix(ctx, path)
	}
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	tick := time.NewTicker(busyWait)
	defer tick.Stop()
	for {
		pipe, err := openPipe(path)
		if err == nil {
			return pipe, nil
		}
		if !errors.Is(err, windows.ERROR_PIPE_BUSY) {
			return nil, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}

// openPipe opens a pipe, both ways at once. Who serves it may learn who we are, and not act in our place.
func openPipe(path string) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	handle, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING,
		windows.FILE_FLAG_OVERLAPPED|windows.SECURITY_SQOS_PRESENT|windows.SECURITY_IDENTIFICATION, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(handle), path), nil
}
