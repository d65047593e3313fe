package signals

import (
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"

	"github.com/tunneld/tunneld/cmd/tunneld/loglimit"
)

// EndByAbort has SIGABRT, which a person or a watchdog sends to a process that hangs, end this one at once, as it ends any program.
// before is called first, and may take a moment; then standard error, if somebody takes it, shows what each goroutine does. By itself
// Go goes from thread to thread by SIGQUIT, and waits 10 s in vain where that is caught. release ends this.
func EndByAbort(before func()) (release func()) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGABRT)
	released, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-released:
		case <-caught:
			before()
			abort()
		}
	}()
	return func() {
		signal.Stop(caught)
		close(released)
		<-over
	}
}

// Goroutines returns in full what each goroutine does.
func Goroutines() string {
	var stacks strings.Builder
	pprof.Lookup("goroutine").WriteTo(&stacks, 2)
	return stacks.String()
}

// shownAtOnce is how much is written at once, in bytes.
const shownAtOnce = 32 << 10

// Show writes to standard error, for as long as somebody takes it.
func Show(text string) {
	out := loglimit.NewOutlet(os.Stderr)
	for piece := range slices.Chunk([]byte(text), shownAtOnce) {
		out.Write(piece)
	}
}
