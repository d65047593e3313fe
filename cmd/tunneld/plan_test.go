package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
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

// A mistake in a file is met with each alias of a pattern. Told for each it buries itself: of a hundred tunnels a reload told it ten
// thousand times.
func TestMistakeInAFileIsToldOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte("Bogus yes\nHost a b c\nDynamicForward 1080\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := plan(t.Context(), &sshFlags{given: []config.Flag{{Letter: 'F', Value: path}}}, []string{"*"}, "")
	if list := exit.Flatten(err); len(list) != 1 || !strings.Contains(list[0].Error(), "Bogus") {
		t.Errorf("%d errors: %v", len(list), list)
	}
}
