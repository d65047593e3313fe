package autossh

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"

	spec "github.com/tunneld/tunneld/config/autossh"
)

// attempts is how often a test is tried; autossh counts a third that it does not make.
const attempts = 2

// test sends a line into the loop and reports whether it came back.
func (l *Loop) test(ctx context.Context) bool {
	line := l.newLine()
	for range attempts {
		switch err := l.try(ctx, line); {
		case err == nil:
			return true
		case ctx.Err() != nil: // nobody wants to know any more
			return false
		case errors.Is(err, errNotAccepted):
			l.log.Say(spec.AcceptTimeout())
			return false
		case errors.Is(err, os.ErrDeadlineExceeded):
			l.log.Say(spec.IOTimeout())
		case errors.As(err, new(*differsError)):
			l.log.Say(spec.NotWhatWasSent(line, err.Error()))
		default:
			l.log.Say(spec.PollError(err))
		}
	}
	l.log.Say(spec.TriesFailed(attempts + 1))
	return false
}

// newLine returns another line than any before.
func (l *Loop) newLine() string {
	node, _ := os.Hostname()
	return spec.TestLine(node, l.name, os.Getpid(), rand.Int64N(1<<31), l.settings.Message)
}

var errNotAccepted = errors.New("nothing came back")

// differsError is another line than the one that was sent.
type differsError struct{ got string }

func (e *differsError) Error() string { return e.got }

// try sends line through a connection of its own.
func (l *Loop) try(ctx context.Context, line string) error {
	l.dropCallers()
	out, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer out.Close()
	defer l.limit(ctx, out)()
	if _, err := io.WriteString(out, line); err != nil {
		return err
	}
	in := out
	if l.read != nil {
		if in, err = l.accept(ctx); err != nil {
			return err
		}
		defer in.Close()
	}
	defer l.limit(ctx, in)()
	got := make([]byte, len(line))
	n, err := io.ReadFull(in, got)
	if n == len(line) && string(got) == line {
		return nil
	}
	if err == nil || n > 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
		return &differsError{string(got[:n])}
	}
	return err
}

// limit bounds what is waited for from now on, until stop is called: by the limit of a test, and by ctx.
func (l *Loop) limit(ctx context.Context, on interface{ SetDeadline(time.Time) error }) (stop func() bool) {
	on.SetDeadline(time.Now().Add(l.settings.NetTimeout)) // before ctx has its say
	return context.AfterFunc(ctx, func() { on.SetDeadline(time.Unix(1, 0)) })
}

// accept waits for what comes back.
func (l *Loop) accept(ctx context.Context) (net.Conn, error) {
	defer l.limit(ctx, l.read)()
	conn, err := l.read.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errNotAccepted
	}
	return conn, err
}

// dropCallers closes what has connected to the read port since the last test: anybody can, and nobody is expected.
func (l *Loop) dropCallers() {
	if l.read == nil {
		return
	}
	for range 128 {
		l.read.SetDeadline(time.Now().Add(time.Millisecond))
		conn, err := l.read.Accept()
		if err != nil {
			return
		}
		conn.Close()
	}
}
