package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process 1 of a container inherits whoever loses its parent, and gets no signal that it does not ask for.
func TestAsProcessOne(t *testing.T) {
	t.Parallel()
	needRoot(t, "a process namespace is made")
	need(t, "unshare", "socat")
	l := newLab(t)
	l.options(fmt.Sprintf("ProxyCommand sh -c '(sleep 0.2 &); exec socat - TCP:%s'", l.relay.address()))
	l.prefix = []string{"unshare", "--fork", "--pid", "--mount-proc", "--kill-child"}
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r})
	first := processTree(c.pid()).below()
	if len(first) == 0 {
		t.Fatal("unshare has no child")
	}
	c.waitLine(t, 0, patience, "an orphan is waited for", said("waited for an orphan"))
	if dead := deadChildrenOf(first[0].pid); dead != 0 {
		t.Errorf("%d dead children are left", dead)
	}
	check(t, r.works(patience))

	asked := time.Now()
	first[:1].signal(syscall.SIGTERM)
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if took := time.Since(asked); took > time.Second {
		t.Errorf("an idle process 1 took %v to stop, want less than 1 s", took)
	}
}

// deadChildrenOf counts the children that nobody has waited for.
func deadChildrenOf(parent int) int {
	count := 0
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, _ := os.ReadFile(stat)
		_, rest, _ := strings.Cut(string(text), ") ")
		if strings.HasPrefix(rest, fmt.Sprint("Z ", parent, " ")) {
			count++
		}
	}
	return count
}
