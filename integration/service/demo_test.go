package service

import (
	"github.com/tunneld/tunneld/integration/lab"
	"strings"
	"testing"
	"time"
)

// The demo needs nothing: no ssh, no files, no home. It ends by itself.
func TestDemo(t *testing.T) {
	a := lab.NewAccount(t)
	a.Binary() // building it does not count
	started := time.Now()
	c := a.Tunneld("demo")
	if code := c.WaitExit(t, 2*time.Minute); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	t.Logf("took %v; some 3 s on a quiet machine", time.Since(started))
	if n := strings.Count(c.Text(), "\n"); n < 5 || n > 20 {
		t.Errorf("said %d lines, want about ten:\n%s", n, c.Text())
	}
	for _, kind := range []string{"-L", "-R", "-D"} {
		if !strings.Contains(c.Text(), kind) {
			t.Errorf("says nothing of %s:\n%s", kind, c.Text())
		}
	}
}
