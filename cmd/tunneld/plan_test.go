package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
)

// A name server may come later than we do; a mistake in the configuration does not mend itself.
func TestCanonicalNamesAreWaitedFor(t *testing.T) {
	late := &config.LookupError{Name: "db"}
	wrong := &config.Error{Text: "wrong"}
	signals := make(chan os.Signal, 1) // starts what os/signal runs for ever, outside of the bubbles
	signal.Notify(signals, syscall.SIGTERM)
	defer signal.Stop(signals)
	for _, c := range []struct {
		name    string
		answers []error
		took    time.Duration
		err     error
	}{
		{"at once", []error{nil}, 0, nil},
		{"at the third time", []error{late, late, nil}, 2 * lookupPause, nil},
		{"a mistake", []error{wrong}, 0, wrong},
		{"a late name and a mistake", []error{errors.Join(late, wrong)}, 0, wrong},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				asked := 0
				p := newProcess(slog.New(slog.DiscardHandler), func(context.Context) ([]tunnelPlan, error) {
					asked++
					return nil, c.answers[asked-1]
				}, nil)
				if _, err := p.firstPlan(t.Context()); !errors.Is(err, c.err) {
					t.Errorf("gave %v, want %v", err, c.err)
				}
				if took := time.Since(began); took != c.took || asked != len(c.answers) {
					t.Errorf("asked %d times in %v, want %d in %v", asked, took, len(c.answers), c.took)
				}
			})
		})
	}
}
