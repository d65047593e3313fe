//go:build unix

package sshconn

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// A file that does not answer holds no attempt longer than ConnectTimeout, and none that is not wanted any more; those that it holds
// all the same do not become ever more; and once it answers, all is well.
func TestFileThatDoesNotAnswer(t *testing.T) {
	wantNoLeak(t)
	server := startSSHD(t)
	d := peerDialer(t)
	o := server.options(t)
	good := o.UserKnownHostsFile
	pipe := filepath.Join(t.TempDir(), "known_hosts")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	o.UserKnownHostsFile, o.ConnectTimeout = []string{pipe}, 500*time.Millisecond
	var all sync.WaitGroup
	dial := func(ctx context.Context, want string) {
		begun := time.Now()
		l, err := d.Dial(ctx, o)
		if l != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v, want %s", l, err, want)
		}
		if took := time.Since(begun); took > o.ConnectTimeout+tidyTime+5*time.Second {
			t.Errorf("it took %v", took)
		}
	}
	for range mostOverdue - 1 {
		all.Go(func() { dial(t.Context(), "a file of this machine does not answer: no answer within 500ms") })
	}
	all.Go(func() {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		dial(ctx, "context canceled")
	})
	all.Wait()
	begun := time.Now()
	dial(t.Context(), "a file of this machine does not answer")
	if took := time.Since(begun); took > o.ConnectTimeout {
		t.Errorf("one more took %v", took)
	}

	sshtest.Eventually(t, "they end", func() bool {
		if writer, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			writer.Close()
		}
		return d.overdue.count.Load() == 0
	})
	o.UserKnownHostsFile, o.ConnectTimeout = good, 30*time.Second
	l, err := d.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
}
