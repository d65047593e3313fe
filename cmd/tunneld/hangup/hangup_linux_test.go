package hangup

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A terminal is gone when it is closed, and not when the process has let go of it: the one here never controlled this process.
func TestTerminalThatIsClosed(t *testing.T) {
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	defer keyboard.Close()
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	terminal, now := &Terminal{tty: tty}, time.Now()
	defer terminal.Left()
	if terminal.HungUp(now) {
		t.Error("gone while it is open")
	}
	keyboard.Close()
	if !terminal.HungUp(now) {
		t.Error("there after it was closed")
	}
	if terminal.HungUp(now.Add(outlived)) {
		t.Error("a signal long after that is taken for the end")
	}
}
