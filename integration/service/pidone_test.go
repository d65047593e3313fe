package service

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
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
	lab.NeedRoot(t, "a process namespace is made")
	lab.Need(t, "unshare", "socat")
	l := lab.New(t)
	l.Options(fmt.Sprintf("ProxyCommand sh -c '(sleep 0.2 &); exec socat - TCP:%s'", l.Relay.Address()))
	l.Prefix = []string{"unshare", "--fork", "--pid", "--mount-proc", "--kill-child"}
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r})
	first := lab.ProcessTree(c.Pid()).Below()
	if len(first) == 0 {
		t.Fatal("unshare has no child")
	}
	c.WaitLine(t, 0, lab.Patience, "an orphan is waited for", lab.Said("waited for an orphan"))
	if dead := deadChildrenOf(first[0].Pid); dead != 0 {
		t.Errorf("%d dead children are left", dead)
	}
	lab.Check(t, r.Works(lab.Patience))

	asked := time.Now()
	first[:1].Signal(syscall.SIGTERM)
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if took := time.Since(asked); took > 5*time.Second { // half of TunneldDrain
		t.Errorf("an idle process 1 took %v to stop", took)
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
