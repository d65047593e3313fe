// Package background is the way into the background: the process that the person started begins another of the same words and
// waits until that has read its configuration, asked what it has to ask at the terminal, and done whatever else has to be done
// before the person's shell goes on. Then it exits with 0 and the other one goes on without a terminal; before that, the other
// one's end is its own. A Go program cannot fork(2) as daemon(3) does.
package background

import (
	"errors"
	"os"
)

// ErrStopped is that the second process was stopped by somebody else, in good order, before it was in the background.
var ErrStopped = errors.New("it was stopped on its way into the background")

// KeepsErrors reports whether standard error is a plain file, which stays that of the process: whoever named it wants what is
// written there. A pipe is let go, since its reader waits for the end.
func KeepsErrors() bool {
	info, err := os.Stderr.Stat()
	return err == nil && info.Mode().IsRegular()
}
