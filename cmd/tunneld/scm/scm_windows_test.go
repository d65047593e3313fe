package scm

import (
	"io"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/windows/svc"

	"github.com/tunneld/tunneld/cmd/tunneld/signals"
)

// The SCM's stop reaches the program as a signal, and its exit code the SCM.
func TestServiceStops(t *testing.T) {
	var got os.Signal
	s := &service{program: func(io.Writer, io.Writer) int {
		got = <-signals.Notify()
		return 3
	}}
	asked, told := make(chan svc.ChangeRequest), make(chan svc.Status)
	type result struct {
		specific bool
		code     uint32
	}
	done := make(chan result, 1)
	go func() {
		specific, code := s.Execute(nil, asked, told)
		done <- result{specific, code}
	}()
	if now := <-told; now.State != svc.Running || now.Accepts&svc.AcceptStop == 0 {
		t.Errorf("it says %+v", now)
	}
	asked <- svc.ChangeRequest{Cmd: svc.Interrogate}
	if now := <-told; now.State != svc.Running {
		t.Errorf("asked, it says %+v", now)
	}
	asked <- svc.ChangeRequest{Cmd: svc.Stop}
	if now := <-told; now.State != svc.StopPending {
		t.Errorf("told to stop, it says %+v", now)
	}
	if r := <-done; got != syscall.SIGTERM || !r.specific || r.code != 3 || s.code != 3 {
		t.Errorf("signal %v, ended with %+v", got, r)
	}
}
