// Package filelock takes the lock of an open file (flock(2)), which ends when the file is closed or the process dies: of a
// pid file, of the directory of control sockets or of a ControlPath, of known_hosts.
//
// It is a leaf below config because cmd/tunneld and tunnel/hostkey both lock. A library that opens the file itself does not
// fit: what was locked has to be compared with what the path leads to by then.
package filelock

import (
	"context"
	"errors"
	"os"
	"time"
)

// Errors of Try.
var (
	ErrHeld        = errors.New("another process holds its lock")
	ErrUnsupported = errors.New("the file system knows no locks")
)

// Try takes the lock if nobody has it, and else returns ErrHeld at once, or ErrUnsupported.
func Try(file *os.File) error { return try(file, exclusive) }

// IsHeld reports whether somebody has the lock. Many may ask at once; while one does, the lock cannot be taken, so that whoever
// wants it has to wait for a moment. The error may be ErrUnsupported.
func IsHeld(file *os.File) (bool, error) {
	err := try(file, shared)
	if err == nil {
		err = unlock(file)
	}
	if errors.Is(err, ErrHeld) {
		return true, nil
	}
	return false, err
}

// interval is between two looks at a lock that somebody holds.
const interval = 20 * time.Millisecond

// Wait takes the lock when it is free, and returns the cause of ctx's end where that comes first. Where the file system
// knows no locks, nobody is kept out.
func Wait(ctx context.Context, file *os.File) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		switch err := Try(file); {
		case err == nil, errors.Is(err, ErrUnsupported):
			return nil
		case !errors.Is(err, ErrHeld):
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// Remove removes the file at path, which is the open one, whose lock we have, and closes it.
func Remove(file *os.File, path string) error {
	if closesFirst {
		return errors.Join(file.Close(), os.Remove(path))
	}
	return errors.Join(os.Remove(path), file.Close())
}
