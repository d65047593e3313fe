package autossh

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/signals"
)

// Signals returns the signals of autossh, and SIGQUIT.
func Signals() <-chan os.Signal {
	caught := make(chan os.Signal, 8)
	signal.Notify(caught, syscall.SIGHUP, signals.Reconnect, signals.User2, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	return caught
}

// atOnceTime is how long an end at once may take: the terminal is left as it was found.
const atOnceTime = 3 * time.Second

// Finish waits until rest returns, which waits for what has been started. It does not wait for long once atOnce is true, or
// another signal says so: then all is false where something still runs.
func Finish(rest func(), signals <-chan os.Signal, again func(os.Signal) bool, atOnce bool) (all bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		rest()
	}()
	var late <-chan time.Time
	for {
		if atOnce && late == nil {
			timer := time.NewTimer(atOnceTime)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-done:
			return true
		case <-late:
			return false
		case s := <-signals:
			atOnce = atOnce || again(s)
		}
	}
}
