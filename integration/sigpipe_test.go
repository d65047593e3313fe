package integration

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Who reads the log goes away: journald crashes, `| head` has seen enough. The tunnels live on, as ssh's do, and what they
// start has SIGPIPE as every program expects it.
func TestLivesOnWithoutAReaderOfItsLog(t *testing.T) {
	t.Parallel()
	need(t, "nc")
	l := newLab(t)
	status := l.account.path("status")
	l.options(fmt.Sprintf("ProxyCommand sh -c 'cat /proc/self/status > %s; exec nc 127.0.0.1 %d'", status, l.relay.port))
	r := localRoute(t, startTarget(t, echo).address())
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(l.account.binary(), append([]string{"up", alias, "--log-level", "debug", "-F", l.account.path("config"),
		"-o", "TunneldBackoffMax=1"}, r.flags...)...)
	cmd.Env, cmd.Dir = l.account.environment(), l.account.dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() })
	if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	in.Close() // it has seen enough

	works := func() bool { return r.works(time.Second) == nil }
	eventually(t, patience, "bytes through the tunnel", works)
	l.relay.cut() // there is a lot to say about that
	eventually(t, patience, "bytes after a cut", works)
	if ignored := ignoredSignals(t, status); ignored&(1<<(syscall.SIGPIPE-1)) != 0 {
		t.Error("ProxyCommand runs with SIGPIPE ignored")
	}
	select {
	case err := <-ended:
		t.Fatalf("ended: %v", err)
	default:
	}
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("asked to stop: %v, want exit code 0", err)
		}
	case <-time.After(patience):
		t.Error("it does not stop")
	}
}

// ignoredSignals reads SigIgn of /proc/PID/status (proc(5)).
func ignoredSignals(t *testing.T, path string) uint64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(l, "SigIgn:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			return mask
		}
	}
	t.Fatal("no SigIgn")
	return 0
}
