package background

import (
	"errors"
	"io"
)

// errNoBackground says why there is no -f.
var errNoBackground = errors.New("not on Windows: no process goes into the background there; a service is what sc.exe makes of it")

// First is the process that the person started, as the second one sees it. There is none.
type First struct{}

// Second returns nil: no process starts a second one.
func Second() *First { return nil }

// Release is not called.
func (*First) Release(string) error { return errNoBackground }

// StartSecond does not.
func StartSecond([]string, io.Writer) (code int, err error) { return 0, errNoBackground }

// LeaveTerminal does not.
func LeaveTerminal(bool) error { return errNoBackground }

// Rename does nothing: a process has the name of its file.
func Rename(string) {}
