package service

import (
	"bufio"
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
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
	lab.Need(t, "nc")
	l := lab.New(t)
	status := l.Account.Path("status")
	l.Options(fmt.Sprintf("ProxyCommand sh -c 'cat /proc/self/status > %s; exec nc 127.0.0.1 %d'", status, l.Relay.Port))
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(l.Account.Binary(), append([]string{"up", lab.Alias, "--log-level", "debug", "-F", l.Account.Path("config"),
		"-o", "TunneldBackoffMax=1"}, r.Flags...)...)
	cmd.Env, cmd.Dir = l.Account.Environment(), l.Account.Dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = lab.DieWithTest()
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

	works := func() bool { return r.Works(time.Second) == nil }
	lab.Eventually(t, lab.Patience, "bytes through the tunnel", works)
	l.Relay.Cut() // there is a lot to say about that
	lab.Eventually(t, lab.Patience, "bytes after a cut", works)
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
	case <-time.After(lab.Patience):
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
