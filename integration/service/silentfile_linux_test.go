package service

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/integration/lab"
)

// silence puts a file in the place of path that whoever reads it waits for, as for one of a file system that does not answer. The
// function that it returns waits for the first reader, which is held until the end of the test.
func silence(t *testing.T, path string) (read func()) {
	t.Helper()
	os.Remove(path)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		var writer *os.File
		lab.Eventually(t, lab.Patience, "it is read", func() bool {
			var err error
			writer, err = os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
			return !errors.Is(err, unix.ENXIO)
		})
		t.Cleanup(func() { writer.Close() })
	}
}

// Nothing but SIGKILL ended a process that read a configuration whose file system did not answer.
func TestStopsWhileTheConfigurationDoesNotAnswer(t *testing.T) {
	for verb, code := range map[string]int{"up": 0, "check": 1} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			file := filepath.Join(t.TempDir(), "config")
			read := silence(t, file)
			c := l.Account.Tunneld(verb, "-F", file, "db")
			read()
			c.Signal(syscall.SIGTERM)
			if got := c.WaitExit(t, lab.Patience); got != code {
				t.Errorf("exit code %d, want %d\n%s", got, code, c.Text())
			}
		})
	}
}

// A configuration may lie where only the tunnel leads to: it is not waited for when that is down, nor when it is to stop.
func TestComesBackWhileTheConfigurationDoesNotAnswer(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	l.Account.Host("db", l.Relay.Port, "LocalForward "+r.Address+" "+targetOf(r))
	c := l.Up(1, "db")
	from := c.Mark()
	read := silence(t, l.Account.Path("config"))
	l.Relay.Cut()
	lab.WaitLost(t, c, from, lab.Patience)
	read()
	lab.Check(t, r.Works(2*lab.Patience))
	l.Account.Expect(0, "that of before is kept since", "status", "db")
	if !strings.Contains(c.Text(), "connecting by the last good one") {
		t.Error("the log does not say by what")
	}
	c.Signal(syscall.SIGHUP) // a reload, which is held as well
	c.Signal(syscall.SIGTERM)
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// Nor did it end, and nor did the attempt, where the file of known hosts did not answer.
func TestStopsWhileKnownHostsDoNotAnswer(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	l.Account.Host("db", l.Relay.Port, "LocalForward "+r.Address+" "+targetOf(r), "ConnectTimeout 1")
	read := silence(t, l.Account.Path("known_hosts"))
	c := l.Account.Tunneld("up", "-F", l.Account.Path("config"), "db")
	read()
	c.WaitLine(t, 0, lab.Patience, "the attempt has ended", func(line lab.Line) bool {
		return strings.Contains(line.Text, "a file of this machine does not answer: no answer within 1s")
	})
	c.Signal(syscall.SIGTERM)
	if got := c.WaitExit(t, lab.Patience); got != 0 {
		t.Errorf("exit code %d, want 0\n%s", got, c.Text())
	}
}
