//go:build unix

package signals

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signals that only Unix has.
const (
	Reconnect = syscall.SIGUSR1 // has the connections made anew
	User2     = syscall.SIGUSR2
)

// Name returns the name of a signal.
func Name(s syscall.Signal) string { return unix.SignalName(s) }

// Hear does nothing: signals come from the system alone.
func Hear(chan<- os.Signal) (stop func()) { return func() {} }

// abort shows the goroutines and ends the process. What Go shows as well, of each thread, goes to where it crashes to alone
// (debug.SetCrashOutput): nobody may read standard error.
func abort() {
	Show("SIGABRT: abort\n\n" + Goroutines())
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		unix.Dup2(int(null.Fd()), syscall.Stderr)
	}
	signal.Reset(syscall.SIGABRT, syscall.SIGQUIT)
	syscall.Kill(syscall.Getpid(), syscall.SIGABRT)
}
