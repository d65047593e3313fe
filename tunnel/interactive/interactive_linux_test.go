package interactive

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config/foreign"
)

func TestCommandGetsItsInputAndGivesItsOutput(t *testing.T) {
	for _, kind := range []struct {
		name string
		make func(*testing.T) (*os.File, *os.File)
	}{{"pipes", pipe}, {"sockets", func(t *testing.T) (*os.File, *os.File) { return sockets(t) }}} {
		t.Run(kind.name, func(t *testing.T) {
			inR, inW := kind.make(t)
			outR, outW := kind.make(t)
			errR, errW := kind.make(t)
			c := newFakeChannel()
			run := begin(t.Context(), t, c, Request{Command: "cat", Env: []string{"A=1"}}, Files{inR, outW, errW})
			sent := make([]byte, 1<<20)
			rand.Read(sent)
			go func() {
				inW.Write(sent)
				if kind.name == "pipes" {
					inW.Close()
				} else {
					control(inW, func(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) })
				}
			}()
			out, stderr := collect(outR), collect(errR)
			got, err := io.ReadAll(io.TeeReader(c.fromIn, c.toOut))
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes arrived, %v", len(got), err)
			}
			io.WriteString(c.toErr, "oops")
			c.exit(7)
			if result, err := run.wait(); err != nil || result.Status != 7 {
				t.Errorf("ended with %+v, %v", result, err)
			}
			outW.Close()
			errW.Close()
			<-out.done
			<-stderr.done
			if out.String() != string(sent) || stderr.String() != "oops" {
				t.Errorf("%d bytes came out, and %q", len(out.String()), stderr)
			}
			if list := strings.Join(c.asked, " "); list != "env exec" {
				t.Errorf("asked for %s", list)
			}
		})
	}
}

func TestWaysToEnd(t *testing.T) {
	cause := errors.New("told to stop")
	for _, end := range []struct {
		name   string
		do     func(*fakeChannel, context.CancelCauseFunc)
		want   error
		signal string
	}{
		{"lost", func(c *fakeChannel, _ context.CancelCauseFunc) { c.cut() }, ErrLost, ""},
		{"lost after the exit status", func(c *fakeChannel, _ context.CancelCauseFunc) { c.dead = true; c.exit(0) }, ErrLost, ""},
		{"stopped", func(_ *fakeChannel, stop context.CancelCauseFunc) { stop(cause) }, cause, ""},
		{"no status", func(c *fakeChannel, _ context.CancelCauseFunc) { c.end() }, ErrNoStatus, ""},
		{"killed", func(c *fakeChannel, _ context.CancelCauseFunc) {
			c.tell("exit-signal", struct {
				Signal   string
				Dumped   bool
				Text     string
				Language string
			}{"TERM\x1b[2J", false, "", ""})
			c.end()
		}, nil, "TERM[2J"},
	} {
		t.Run(end.name, func(t *testing.T) {
			keyboard, tty := pty(t)
			screen := collect(keyboard)
			before := termios(t, tty)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			c := newFakeChannel()
			run := begin(ctx, t, c, Request{Terminal: true, Raw: true, Host: "host"}, Files{tty, tty, tty})
			eventually(t, "the terminal is raw", func() bool { return isRaw(t, tty) })
			end.do(c, cancel)
			result, err := run.wait()
			if !errors.Is(err, end.want) || result.Status != StatusNone || result.Signal.String() != end.signal {
				t.Errorf("ended with %+v, %v", result, err)
			}
			if termios(t, tty) != before {
				t.Error("the terminal is not as it was")
			}
			eventually(t, "the closing words", func() bool { return strings.HasSuffix(screen.String(), "Connection to host closed.\r\r\n") })
			tty.Close()
			<-screen.done
		})
	}
}

// Nothing that the library, the server or a reader does keeps Run from returning.
func TestNothingHoldsUpTheEnd(t *testing.T) {
	for _, hang := range []string{"pty-req", "shell"} {
		t.Run(hang, func(t *testing.T) {
			_, tty := pty(t)
			ctx, cancel := context.WithCancel(t.Context())
			c := newFakeChannel()
			c.hang[hang] = true
			run := begin(ctx, t, c, Request{Terminal: true, Raw: true}, Files{tty, tty, tty})
			eventually(t, "the request", func() bool { return c.has(hang) })
			if isRaw(t, tty) {
				t.Error("raw before there is anybody to read the keys: Ctrl-C would be lost")
			}
			cancel()
			if _, err := run.wait(); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	t.Run("output that nobody reads", func(t *testing.T) {
		for _, kind := range []func(*testing.T) (*os.File, *os.File){pipe, sockets} {
			_, outW := kind(t)
			_, errW := kind(t)
			ctx, cancel := context.WithCancel(t.Context())
			c := newFakeChannel()
			run := begin(ctx, t, c, Request{Command: "yes"}, Files{nil, outW, errW})
			sent := make(chan int, 1)
			go func() {
				n, _ := io.Copy(c.toOut, io.LimitReader(rand.Reader, 1<<26))
				sent <- int(n)
			}()
			select {
			case n := <-sent:
				t.Errorf("took %d bytes although nobody reads", n)
			case <-time.After(50 * time.Millisecond):
			}
			cancel()
			run.wait()
			<-sent
		}
	})
}

func TestRefusals(t *testing.T) {
	c := newFakeChannel()
	c.refuse["exec"] = true
	_, err := begin(t.Context(), t, c, Request{Command: "x"}, Files{}).wait()
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Request != "exec" {
		t.Errorf("ended with %v", err)
	}

	keyboard, tty := pty(t)
	screen := collect(keyboard)
	c = newFakeChannel()
	c.refuse["pty-req"] = true
	run := begin(t.Context(), t, c, Request{Terminal: true, Raw: true, Host: "h"}, Files{tty, tty, tty})
	io.WriteString(c.toOut, "goes on\r\n")
	eventually(t, "words about it", func() bool { return strings.Contains(screen.String(), "PTY allocation request failed\r") })
	eventually(t, "output", func() bool { return strings.Contains(screen.String(), "goes on") })
	if isRaw(t, tty) {
		t.Error("raw without a pseudo terminal")
	}
	c.exit(0)
	if result, err := run.wait(); err != nil || result.Status != 0 {
		t.Errorf("ended with %+v, %v", result, err)
	}
	if strings.Contains(screen.String(), "closed") {
		t.Errorf("%q", screen)
	}
	tty.Close()
	<-screen.done
}

func TestSizeOfTheWindow(t *testing.T) {
	keyboard, tty := pty(t)
	resize := func(columns, rows uint16) {
		control(tty, func(fd int) error {
			return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows})
		})
	}
	resize(80, 24)
	c := newFakeChannel()
	run := begin(t.Context(), t, c, Request{Terminal: true, Raw: true}, Files{tty, nil, nil})
	eventually(t, "the terminal is raw", func() bool { return isRaw(t, tty) })
	resize(100, 30)
	unix.Kill(unix.Getpid(), unix.SIGWINCH)
	eventually(t, "the size after the signal", func() bool { return c.has("window-change 100x30") })
	resize(101, 31)
	io.WriteString(keyboard, "x")
	io.ReadFull(c.fromIn, make([]byte, 1))
	eventually(t, "the size after a key", func() bool { return c.has("window-change 101x31") })
	c.exit(0)
	run.wait()
	if c.has("window-change 80x24") {
		t.Error("told the size that the server knows")
	}
}

func TestEscapes(t *testing.T) {
	for _, c := range []struct{ typed, sent, shown string }{
		{"~~a\r~~~b", "~a\r~~b", ""}, // only one is taken, and only at the beginning
		{"a~.b\n~.", "a~.b\n", "~.\r\n"},
		{"~x~.", "~x~.", ""},
		{"\r~\r~.", "\r~\r", "~.\r\n"},
		{"~&a", "a", "~& escape is not supported by tunneld\r\n"},
		{"~\x1a~.", "", "~^Z escape is not supported by tunneld\r\n~.\r\n"},
		{"~#", "", "~#\r\nThe following connections are open:\r\n  one\r\n"},
		{"~B", "", "~B\r\n"},
	} {
		errR, errW := pipe(t)
		ch := newFakeChannel()
		s, err := newSession(ch, Request{Connections: func() []foreign.Text { return []foreign.Text{foreign.Line("one\x1b")} }}, Files{nil, nil, errW}, nil)
		if err != nil {
			t.Fatal(err)
		}
		keys := &escapes{session: s, char: '~', lineStart: true}
		var sent []byte
		for _, b := range []byte(c.typed) { // as a person types
			data, left := keys.filter([]byte{b})
			sent = append(sent, data...)
			if left {
				break
			}
		}
		s.closeFiles()
		errW.Close()
		shown, _ := io.ReadAll(errR)
		if string(sent) != c.sent || string(shown) != c.shown {
			t.Errorf("%q: sent %q, shown %q", c.typed, sent, shown)
		}
	}
}

func TestEscapeEndsTheSession(t *testing.T) {
	keyboard, tty := pty(t)
	screen := collect(keyboard)
	c := newFakeChannel()
	run := begin(t.Context(), t, c, Request{Terminal: true, Raw: true, Escape: '~'}, Files{tty, tty, tty})
	eventually(t, "the terminal is raw", func() bool { return isRaw(t, tty) })
	io.WriteString(keyboard, "~?")
	eventually(t, "help", func() bool { return strings.Contains(screen.String(), "immediately after newline") })
	io.WriteString(keyboard, "~.")
	if result, err := run.wait(); !errors.Is(err, ErrDisconnected) || result.Status != StatusNone {
		t.Errorf("ended with %+v, %v", result, err)
	}
	if isRaw(t, tty) {
		t.Error("left raw")
	}
	tty.Close()
	<-screen.done
}

// The process is stopped in the midst of a suspend, and the terminal must not become raw once Run has returned.
func TestSuspend(t *testing.T) {
	keyboard, tty := pty(t)
	asleep, awake := make(chan struct{}), make(chan struct{})
	c := newFakeChannel()
	ctx, cancel := context.WithCancel(t.Context())
	suspended := Request{Terminal: true, Raw: true, Escape: '~', Suspend: func() {
		asleep <- struct{}{}
		<-awake
	}}
	run := begin(ctx, t, c, suspended, Files{tty, nil, nil})
	for range 2 {
		eventually(t, "the terminal is raw", func() bool { return isRaw(t, tty) })
		io.WriteString(keyboard, "~\x1a")
		<-asleep
		if isRaw(t, tty) {
			t.Error("raw while asleep")
		}
		select {
		case awake <- struct{}{}:
		case <-time.After(time.Second):
			t.Fatal("it does not wait")
		}
	}
	eventually(t, "the terminal is raw", func() bool { return isRaw(t, tty) })
	io.WriteString(keyboard, "~\x1a")
	<-asleep
	cancel()
	run.wait()
	close(awake)
	goleak.VerifyNone(t) // once all has ended
	if isRaw(t, tty) {
		t.Error("raw after the end")
	}
}

// yes | ssh host head, and ssh host yes | head.
func TestReaderThatHasEnough(t *testing.T) {
	outR, outW := pipe(t)
	outR.Close()
	c := newFakeChannel()
	run := begin(t.Context(), t, c, Request{Command: "yes"}, Files{nil, outW, nil})
	io.WriteString(c.toOut, "y\n")
	eventually(t, "eow", func() bool { return c.has("eow@openssh.com") })
	if _, err := c.toOut.Write(make([]byte, 1<<20)); err != nil {
		t.Error(err)
	}
	c.exit(141)
	if result, err := run.wait(); err != nil || result.Status != 141 {
		t.Errorf("ended with %+v, %v", result, err)
	}

	inR, inW := pipe(t)
	c = newFakeChannel()
	run = begin(t.Context(), t, c, Request{Command: "head -1"}, Files{inR, nil, nil})
	inW.WriteString("y\n")
	io.ReadFull(c.fromIn, make([]byte, 2))
	c.requests <- &ssh.Request{Type: "eow@openssh.com"}
	inR.Close() // now nobody of ours may have it open
	eventually(t, "a broken pipe", func() bool {
		_, err := inW.WriteString("y\n")
		return errors.Is(err, unix.EPIPE)
	})
	c.exit(0)
	run.wait()
}

// What others do with the same opening must not change, and no key may be taken that is meant for them.
func TestFilesAreOnlyBorrowed(t *testing.T) {
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	a, b := sockets(t)
	keyboard, tty := pty(t)
	for _, in := range []struct{ read, write *os.File }{{inR, inW}, {a, b}, {tty, keyboard}} {
		before := flags(t, in.read)
		ctx, cancel := context.WithCancel(t.Context())
		c := newFakeChannel()
		run := begin(ctx, t, c, Request{Command: "x"}, Files{in.read, outW, nil})
		io.WriteString(c.toOut, "x")
		io.ReadFull(outR, make([]byte, 1))
		if flags(t, in.read) != before || flags(t, outW)&unix.O_NONBLOCK != 0 {
			t.Error("flags of a file that others share were changed")
		}
		cancel()
		run.wait()
		in.write.WriteString("mine\n")
		got := make([]byte, 5)
		if _, err := io.ReadFull(in.read, got); err != nil || string(got) != "mine\n" {
			t.Errorf("the next reader gets %q, %v", got, err)
		}
	}
}

func TestPlainFilesKeepTheirPlace(t *testing.T) {
	out, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for range 2 {
		c := newFakeChannel()
		run := begin(t.Context(), t, c, Request{Command: "x"}, Files{nil, out, nil})
		io.WriteString(c.toOut, "x")
		c.exit(0)
		run.wait()
	}
	if text, _ := os.ReadFile(out.Name()); string(text) != "xx" {
		t.Errorf("the file has %q", text)
	}
}
