package signals

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
)

// Signals that never come on Windows, where `tunneld reconnect` does what the first is for.
const (
	Reconnect = syscall.Signal(0xa)
	User2     = syscall.Signal(0xc)
)

// Name returns the name of a signal: os/signal makes them of what a console and the system say.
func Name(s syscall.Signal) string {
	switch s {
	case syscall.SIGINT:
		return "SIGINT"
	case syscall.SIGTERM:
		return "SIGTERM"
	}
	return fmt.Sprintf("signal %d", int(s))
}

// heard has what is told of signals that Send makes: whoever listens late hears those before, too.
var heard struct {
	sync.Mutex
	by   []chan<- os.Signal
	sent []os.Signal
}

// Hear has c, which nobody waits for, told of what Send sends, until stop is called.
func Hear(c chan<- os.Signal) (stop func()) {
	heard.Lock()
	defer heard.Unlock()
	heard.by = append(heard.by, c)
	for _, s := range heard.sent {
		offer(c, s)
	}
	return func() {
		heard.Lock()
		defer heard.Unlock()
		heard.by = slices.DeleteFunc(heard.by, func(other chan<- os.Signal) bool { return other == c })
	}
}

// Send is a signal to this process: there is nobody else to send one.
func Send(s os.Signal) {
	heard.Lock()
	defer heard.Unlock()
	heard.sent = append(heard.sent, s)
	for _, c := range heard.by {
		offer(c, s)
	}
}

func offer(c chan<- os.Signal, s os.Signal) {
	select {
	case c <- s:
	default:
	}
}

// abort shows the goroutines and ends the process.
func abort() {
	Show("SIGABRT: abort\n\n" + Goroutines())
	if process, err := os.FindProcess(os.Getpid()); err == nil {
		process.Kill()
	}
}
