package main

import (
	"context"
	"errors"
	"io"
	"testing"

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

// An attempt beside a connection that lives, because it is late or its keys are old, is no start: it takes none of
// AUTOSSH_MAXSTART, and does not make a connection of days one of seconds.
func TestRenewalIsNoStart(t *testing.T) {
	command := &autossh.Command{Name: "autossh", Settings: autossh.Settings{MaxStart: 2}}
	log, err := front.OpenLog(command, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	run := &autosshRun{command: command, log: log}
	counted := countedTunnel{unreachable{}, run}
	counted.Connect(t.Context())
	lives := endingSession{done: make(chan struct{})}
	at := run.starts.Joined(lives)
	for range 5 {
		if _, err := counted.Connect(t.Context()); errors.Is(err, front.ErrNoMoreStarts) {
			t.Error("an attempt beside a connection was refused as a start")
		}
	}
	if count, last := run.starts.Last(); count != 1 || last != at {
		t.Errorf("%d starts, the last at %v and not at %v", count, last, at)
	}
	close(lives.done)
	counted.Connect(t.Context())
	if _, err := counted.Connect(t.Context()); !errors.Is(err, front.ErrNoMoreStarts) {
		t.Errorf("a third start: %v", err)
	}
}
