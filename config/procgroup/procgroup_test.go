//go:build unix

package procgroup_test

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config/procgroup"
)

// A child of the command holds its output open: only when that is gone, too, does the pipe end.
func TestKillEndsWhatTheCommandStarted(t *testing.T) {
	// Under nohup(1) the children would ignore the signal, as we do. A signal that is caught here is not ignored there.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	t.Cleanup(func() { signal.Reset(syscall.SIGHUP) })
	for name, end := range map[string]func(*exec.Cmd) error{"kill": procgroup.Kill, "hang up": procgroup.HangUp} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", "sleep 60 & echo started; wait")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			procgroup.Lead(cmd)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(20*time.Second, func() { out.Close() })
			if err := end(cmd); err != nil {
				t.Fatal(err)
			}
			out.Read(make([]byte, 1))
			if !late.Stop() {
				t.Error("what the command started lives on")
			}
			cmd.Wait()
		})
	}
}
