//go:build unix

package interactive

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// isBrokenOff reports whether a signal broke a call off.
func isBrokenOff(err error) bool { return errors.Is(err, unix.EINTR) }

func openWay(file *os.File, access int) (w way, err error) {
	err = control(file, func(fd int) (err error) {
		w, err = wayOf(fd, access)
		return err
	})
	return w, err
}

func wayOf(fd, access int) (way, error) {
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return nil, err
	}
	switch info.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFBLK, unix.S_IFDIR:
		return plainFile(fd), nil // the place in it is shared; it never waits
	case unix.S_IFSOCK:
		return newPolled(fd, access, true)
	case unix.S_IFCHR:
		if isTerminal(fd) {
			break
		}
		if waiting, err := newPolled(fd, access, false); err == nil {
			return waiting, nil
		}
		return plainFile(fd), nil // /dev/null and its kin, which cannot be waited for
	}
	if own, err := reopen(fd, access, &info); err == nil {
		return own, nil
	}
	return newPolled(fd, access, false)
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, readTermios)
	return err == nil
}

// plainFile is a file that calls do not wait for.
type plainFile int

func (f plainFile) Read(p []byte) (int, error)  { return unix.Read(int(f), p) }
func (f plainFile) Write(p []byte) (int, error) { return unix.Write(int(f), p) }
func (plainFile) interrupt()                    {}
func (plainFile) release()                      {}

// ownFile is a second opening of a file, in Go's poller.
type ownFile struct{ *os.File }

func (f ownFile) interrupt() { f.Close() }
func (ownFile) release()     {}

// retry calls again what a signal broke off.
func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}
