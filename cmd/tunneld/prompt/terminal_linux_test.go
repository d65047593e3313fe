package prompt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openPTY makes a terminal; what is written to keyboard was typed at it.
func openPTY(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	keyboard.SetReadDeadline(time.Now().Add(time.Minute)) // of what it shows
	var number int
	err = control(keyboard, func(fd int) (err error) {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	tty, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { tty.Close() })
	return keyboard, tty
}

// seen reads what the terminal shows up to and including text.
func seen(t *testing.T, screen *bufio.Reader, text string) string {
	t.Helper()
	var all strings.Builder
	for !strings.HasSuffix(all.String(), text) {
		b, err := screen.ReadByte()
		if err != nil {
			t.Fatalf("terminal showed %q, want %q: %v", all.String(), text, err)
		}
		all.WriteByte(b)
	}
	return all.String()
}

func hasEcho(t *testing.T, tty *os.File) (echo bool) {
	t.Helper()
	err := control(tty, func(fd int) error {
		state, err := unix.IoctlGetTermios(fd, readTermios)
		if err == nil {
			echo = state.Lflag&unix.ECHO != 0
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return echo
}

func TestTerminalKeepsASecret(t *testing.T) {
	keyboard, tty := openPTY(t)
	screen := bufio.NewReader(keyboard)
	answers := make(chan string)
	go func() {
		answer, err := readLine(t.Context(), tty, "Password: ", false)
		if err != nil {
			answer = err.Error()
		}
		answers <- answer
	}()
	seen(t, screen, "Password: ")
	keyboard.WriteString("wrXX\x7f\x7fong\n") // with two letters taken back
	if answer := <-answers; answer != "wrong" {
		t.Errorf("answer %q", answer)
	}
	if shown := seen(t, screen, "\n"); strings.TrimSpace(shown) != "" {
		t.Errorf("terminal showed %q", shown)
	}
	if !hasEcho(t, tty) {
		t.Error("the echo was left off")
	}
}

func TestTerminalQuestionEndsWithItsContext(t *testing.T) {
	keyboard, tty := openPTY(t)
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	go func() {
		_, err := readLine(ctx, tty, "Password: ", false)
		errs <- err
	}()
	seen(t, bufio.NewReader(keyboard), "Password: ")
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if !hasEcho(t, tty) {
		t.Error("the echo was left off")
	}
}

func TestTerminalShowsAnswersThatAreNoSecrets(t *testing.T) {
	keyboard, tty := openPTY(t)
	screen := bufio.NewReader(keyboard)
	answers := make(chan string)
	go func() {
		answer, _ := readLine(t.Context(), tty, "Sure? ", true)
		answers <- answer
	}()
	seen(t, screen, "Sure? ")
	keyboard.WriteString("yes\n")
	if answer := <-answers; answer != "yes" {
		t.Errorf("answer %q", answer)
	}
	seen(t, screen, "yes")
}

// A shell sets the terminal for itself while the process is stopped (Ctrl-Z): nobody sees what is typed after it goes on (fg).
func TestTerminalKeepsASecretAfterAStop(t *testing.T) {
	keyboard, tty := openPTY(t)
	screen := bufio.NewReader(keyboard)
	answers := make(chan string)
	go func() {
		answer, err := readLine(t.Context(), tty, "Password: ", false)
		if err != nil {
			answer = err.Error()
		}
		answers <- answer
	}()
	seen(t, screen, "Password: ")
	err := control(tty, func(fd int) error {
		state, err := unix.IoctlGetTermios(fd, readTermios)
		if err == nil {
			state.Lflag |= unix.ECHO
			err = unix.IoctlSetTermios(fd, flushTermios, state)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(os.Getpid(), unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	seen(t, screen, "Password: ")
	keyboard.WriteString("secret\n")
	if answer := <-answers; answer != "secret" {
		t.Errorf("answer %q", answer)
	}
	if shown := seen(t, screen, "\n"); strings.TrimSpace(shown) != "" {
		t.Errorf("terminal showed %q", shown)
	}
	if !hasEcho(t, tty) {
		t.Error("the echo was left off")
	}
}
