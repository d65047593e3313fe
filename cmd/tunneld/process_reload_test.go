package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
)

// A reload that waited for another one did so for as long as that took, whatever became of the process.
func TestReloadDoesNotWaitForAnotherInAProcessThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(slog.New(slog.DiscardHandler), nil, nil)
		p.reloading <- struct{}{} // another one that takes long
		running, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := p.reload(t.Context(), running)
			ended <- err
		}()
		synctest.Wait()
		stop()
		synctest.Wait()
		select {
		case err := <-ended:
			if !errors.Is(err, errBeingStopped) {
				t.Errorf("it says %v", err)
			}
		default:
			t.Error("it waits on")
			<-p.reloading
			<-ended
		}
	})
}

// Each signal of a flood was a reload of its own: a hundred of them, of a configuration that takes a second, took two minutes.
func TestFloodOfSignalsIsOneMoreReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := 0
		plan := func(context.Context) ([]tunnelPlan, error) {
			read++
			<-time.After(time.Second)
			return nil, errors.New("nothing to read")
		}
		p := newProcess(slog.New(slog.DiscardHandler), plan, nil)
		reload := func() { p.reload(t.Context(), t.Context()) }
		p.reloadSoon(reload)
		synctest.Wait() // it reads
		for range 100 {
			p.reloadSoon(reload)
		}
		p.tasks.Wait()
		if read != 2 {
			t.Errorf("read %d times, want once by what was there and once by what came meanwhile", read)
		}
		p.reloadSoon(reload)
		if p.tasks.Wait(); read != 3 {
			t.Errorf("a signal that comes later is a reload: read %d times, want 3", read)
		}
	})
}

// What somebody stopped while a reload was about to try it again was started all the same.
func TestDownIsHeardInAReload(t *testing.T) {
	p := newProcess(slog.New(slog.DiscardHandler), nil, nil)
	db := func() *runner {
		_, end := context.WithCancel(t.Context())
		return &runner{name: "db", events: p.book.Events("db"), log: p.log, end: end, done: make(chan struct{}), err: errors.New("refused")}
	}
	failed := db()
	close(failed.done)
	if _, ok := p.enlist(failed); !ok {
		t.Fatal("it may not begin")
	}
	again := db()
	if _, ok := p.enlist(again); !ok {
		t.Fatal("it may not begin again")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // nobody runs it, and nobody ends it
	defer cancel()
	if p.putDown(ctx, failed, bySomebody); !again.isAsked() {
		t.Error("what a reload has just begun goes on")
	}
	if why, ok := p.enlist(db()); ok || why != bySomebody {
		t.Errorf("what is put down begins: %t, %q", ok, why)
	}
}

// What was put down was told by each reload, for ever.
func TestDownIsToldOnce(t *testing.T) {
	p := newProcess(slog.New(slog.DiscardHandler), nil, nil)
	p.down["web"] = false
	plans := []tunnelPlan{{name: "db", options: &config.Options{}}, {name: "web", options: &config.Options{}}}
	for n, want := range []int{1, 0, 0} {
		left, outcomes := p.leaveDown(slices.Clone(plans))
		if len(left) != 1 || left[0].name != "db" || len(outcomes) != want {
			t.Errorf("reload %d leaves %d and tells of %d, want 1 and %d", n+1, len(left), len(outcomes), want)
		}
	}
	p.leaveDown(plans[:1]) // web is no longer configured
	if left, outcomes := p.leaveDown(plans); len(left) != 2 || len(outcomes) != 0 {
		t.Errorf("one that has come back is left: %d, %d", len(left), len(outcomes))
	}
}

// A reload may take long for more than one reason, such as a Match exec.
func TestReloadDoesNotSayThatItLogsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		over := showWaiting(t.Context(), &out, choice{names: []string{"db"}})
		<-time.After(waitingTime)
		synctest.Wait()
		over()
		if text := out.String(); !strings.HasPrefix(text, "db: waiting until the configuration is read, and for a new login where that takes one; ") {
			t.Errorf("it says %q", text)
		}
	})
}
