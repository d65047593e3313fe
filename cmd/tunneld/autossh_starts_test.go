package main

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	front "github.com/tunneld/tunneld/cmd/tunneld/autossh"
	"github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/monitor"
)

type unreachable struct{ monitor.Tunnel }

func (unreachable) Connect(context.Context) (monitor.Session, error) { return nil, errors.New("down") }

type endingSession struct {
	monitor.Session
	done chan struct{}
}

func (s endingSession) Done() <-chan struct{} { return s.done }

// newCounted returns what counts the starts of an autossh with these settings.
func newCounted(t *testing.T, settings autossh.Settings, by monitor.Tunnel) countedTunnel {
	t.Helper()
	command := &autossh.Command{Name: "autossh", Settings: settings}
	log, err := front.OpenLog(command, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	return countedTunnel{by, &autosshRun{command: command, log: log, rules: autossh.NewRestarts(command)}}
}

// hanging is a server that never answers.
type hanging struct{ monitor.Tunnel }

func (hanging) Connect(ctx context.Context) (monitor.Session, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// An attempt that is begun anew because the network has changed is the same start of ssh, which would have gone on connecting.
func TestNudgedAttemptIsTheSameStart(t *testing.T) {
	counted := newCounted(t, autossh.Settings{MaxStart: 2}, hanging{})
	for range 5 {
		ctx, giveUp := context.WithCancel(t.Context())
		giveUp()
		if _, err := counted.Connect(ctx); errors.Is(err, front.ErrNoMoreStarts) {
			t.Fatal("it takes of AUTOSSH_MAXSTART")
		}
	}
	if last := counted.run.starts.Last(); last.Count != 1 {
		t.Errorf("%d starts", last.Count)
	}
}

// A start that comes early because the network has changed, or somebody asked for it, takes none of AUTOSSH_MAXSTART.
func TestEarlyStartIsFree(t *testing.T) {
	const most = 7
	counted := newCounted(t, autossh.Settings{MaxStart: most, Poll: 10 * time.Minute}, unreachable{})
	run := counted.run
	ended := monitor.Ended{Err: errProdded}
	for n := 1; n < most; n++ {
		counted.Connect(t.Context())
		if _, err := run.decide(ended); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 { // in the wait, which has begun to grow
		counted.Connect(t.Context())
		if wait, err := run.decide(ended); err != nil || wait == 0 {
			t.Fatalf("wait for %v, %v", wait, err)
		}
	}
	if last := run.starts.Last(); last.Count != most-1+5 || last.Free != 5 {
		t.Errorf("%+v", last)
	}
	run.starts.Judged(0)
	counted.Connect(t.Context())
	if _, err := run.decide(ended); err == nil {
		t.Error("the last one is not the last")
	}
}

// A connection in the place of one that lives is counted, and takes none of AUTOSSH_MAXSTART either: ssh would have gone on.
func TestReplacementIsFree(t *testing.T) {
	var starts front.Starts
	first, second, third := endingSession{done: make(chan struct{})}, endingSession{done: make(chan struct{})}, endingSession{done: make(chan struct{})}
	starts.Begin(1)
	if _, fresh := starts.Joined(first); fresh {
		t.Error("the first connection is another start")
	}
	if _, fresh := starts.Joined(second); !fresh || starts.Last().Count != 2 || starts.Last().Free != 1 {
		t.Errorf("a replacement: %+v", starts.Last())
	}
	close(second.done)
	starts.Judged(0) // and an attempt that ran beside it has come to something
	if _, fresh := starts.Joined(third); !fresh || starts.Last().Count != 3 || starts.Last().Free != 1 {
		t.Errorf("another in the place of one that has ended: %+v", starts.Last())
	}
}

// An attempt beside a connection that lives, because it is late or its keys are old, is no start: it takes none of
// AUTOSSH_MAXSTART, and does not make a connection of days one of seconds.
func TestRenewalIsNoStart(t *testing.T) {
	counted := newCounted(t, autossh.Settings{MaxStart: 2}, unreachable{})
	run := counted.run
	counted.Connect(t.Context())
	lives := endingSession{done: make(chan struct{})}
	at, _ := run.starts.Joined(lives)
	for range 5 {
		if _, err := counted.Connect(t.Context()); errors.Is(err, front.ErrNoMoreStarts) {
			t.Error("an attempt beside a connection was refused as a start")
		}
	}
	if last := run.starts.Last(); last.Count != 1 || last.At != at {
		t.Errorf("the last start is %+v, and not the first at %v", last, at)
	}
	close(lives.done)
	counted.Connect(t.Context())
	run.starts.Judged(0)
	if _, err := counted.Connect(t.Context()); !errors.Is(err, front.ErrNoMoreStarts) {
		t.Errorf("a third start: %v", err)
	}
}
