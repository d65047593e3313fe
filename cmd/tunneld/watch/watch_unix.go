//go:build unix

package watch

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stopTime is the time after which nobody has stopped us.
const stopTime = 100 * time.Millisecond

// notifyChanges has changed be told of what is another reason to draw the screen.
func notifyChanges(changed chan<- os.Signal) {
	signal.Notify(changed, syscall.SIGWINCH, syscall.SIGCONT)
}

func isContinue(s os.Signal) bool { return s == syscall.SIGCONT }

// understandEscapes does nothing: every terminal does.
func understandEscapes(*os.File) error { return nil }

// stop stops the process as Ctrl-Z does, with the terminal as it was. Where nobody could continue it, it goes on.
func (t *terminal) stop(changed <-chan os.Signal) {
	t.leave()
	syscall.Kill(0, syscall.SIGTSTP)
	select {
	case <-changed: // SIGCONT
	case <-time.After(stopTime):
	}
	t.enter()
}
