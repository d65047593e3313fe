//go:build unix

package sk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/tunnel/auth/sk/sktest"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// A helper that hangs is killed with its children, when the time is over or nobody wants the signature any more.
func TestHelperThatHangs(t *testing.T) {
	key := newKey(t, ssh.KeyAlgoSKED25519)
	gone := errors.New("not wanted any more")
	for name, test := range map[string]struct {
		patience time.Duration
		cancel   bool
		says     string
	}{
		"time is over": {300 * time.Millisecond, false, "no answer within 300ms"},
		"not wanted":   {0, true, gone.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pids := filepath.Join(t.TempDir(), "pids")
			path := sktest.Script(t, "sleep 600 &\necho $! $$ >"+pids+".new; mv "+pids+".new "+pids+"; wait")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			errs := make(chan error, 1)
			go func() {
				_, err := Helper{Path: path, Provider: "internal", Patience: test.patience, Log: quiet()}.Sign(ctx, key, nil, "")
				errs <- err
			}()
			if test.cancel {
				sshtest.Eventually(t, "it hangs", func() bool { _, err := os.Stat(pids); return err == nil })
				cancel(gone)
			}
			if err := <-errs; err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("it says %v", err)
			}
			data, err := os.ReadFile(pids)
			if errors.Is(err, os.ErrNotExist) {
				return // it was killed before it came that far
			}
			for word := range strings.FieldsSeq(string(data)) {
				pid, _ := strconv.Atoi(word)
				sshtest.Gone(t, pid)
			}
		})
	}
}
