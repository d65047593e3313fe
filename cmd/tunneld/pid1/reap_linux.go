// Package pid1 does the duty of process 1, which tunneld is in a container.
package pid1

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// reapAfter is how long a child stays dead before it counts as nobody's. What this process has started itself is waited
// for by os/exec within an instant of its end.
const reapAfter = time.Second

// Reap does the duty of process 1, which tunneld is in a container: it waits for processes that lost their parents,
// such as what a ProxyCommand left behind, so that they do not stay in the process table for ever. It does nothing in any
// other process. The caller calls stop.
func Reap(log *slog.Logger) (stop func()) {
	if os.Getpid() != 1 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	deaths := make(chan os.Signal, 1)
	signal.Notify(deaths, syscall.SIGCHLD)
	var reaping sync.WaitGroup
	reaping.Go(func() { reap(ctx, deaths, log) })
	return func() {
		signal.Stop(deaths)
		cancel()
		reaping.Wait()
	}
}

// reap looks at the dead a while after each death, and waits for those that it has seen at two looks.
func reap(ctx context.Context, deaths <-chan os.Signal, log *slog.Logger) {
	again := time.NewTimer(0)
	defer again.Stop()
	before := make(map[deadChild]bool)
	for {
		select {
		case <-ctx.Done():
			return
		case <-deaths:
			again.Reset(reapAfter)
			continue
		case <-again.C:
		}
		now := make(map[deadChild]bool)
		for _, child := range deadChildren() {
			if !before[child] {
				now[child] = true
				continue
			}
			syscall.Wait4(child.pid, nil, syscall.WNOHANG, nil)
			log.Debug("waited for an orphan", "pid", child.pid)
		}
		if before = now; len(now) > 0 {
			again.Reset(reapAfter)
		}
	}
}

// deadChild is a child of this process that has ended and that nobody has waited for. Its number alone may be another's by
// the time of the second look.
type deadChild struct {
	pid     int
	started string // since boot, in clock ticks
}

// deadChildren reads /proc, proc_pid_stat(5): the name in parentheses may itself hold blanks and parentheses.
func deadChildren() []deadChild {
	var dead []deadChild
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	me := strconv.Itoa(os.Getpid())
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has gone
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) < 20 || fields[0] != "Z" || fields[1] != me {
			continue
		}
		var child deadChild
		if _, err := fmt.Sscanf(path, "/proc/%d/stat", &child.pid); err == nil {
			child.started = fields[19]
			dead = append(dead, child)
		}
	}
	return dead
}
