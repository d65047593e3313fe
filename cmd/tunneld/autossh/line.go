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
	node, _ := os.Hostname()
	line := spec.TestLine(node, l.name, os.Getpid(), rand.Int64N(1<<31), l.settings.Message)
	for range attempts {
		switch err := l.try(ctx, line); {
		case err == nil:
			return true
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
		if ctx.Err() != nil {
			return false
		}
	}
	l.log.Say(spec.TriesFailed(attempts + 1))
	return false
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
	defer context.AfterFunc(ctx, func() { out.SetDeadline(time.Unix(1, 0)) })()
	out.SetDeadline(time.Now().Add(l.settings.NetTimeout))
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
	in.SetDeadline(time.Now().Add(l.settings.NetTimeout))
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

// accept waits for what comes back.
func (l *Loop) accept(ctx context.Context) (net.Conn, error) {
	defer context.AfterFunc(ctx, func() { l.read.SetDeadline(time.Unix(1, 0)) })()
	l.read.SetDeadline(time.Now().Add(l.settings.NetTimeout))
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
