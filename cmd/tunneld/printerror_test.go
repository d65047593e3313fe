package main

import (
	"errors"
	"io"
	"testing"
)

// An error that nobody gave a type may pass; only the command line itself is a matter of usage.
func TestErrorWithoutATypeIsNoUsageError(t *testing.T) {
	if code := printError(io.Discard, errors.New("something")); code != exitGaveUp {
		t.Errorf("exit code %d, want %d", code, exitGaveUp)
	}
	for _, words := range [][]string{{"nonsense"}, {"up", "--nonsense"}, {"up"}} {
		if code := run(t.Context(), append([]string{"tunneld"}, words...), io.Discard, io.Discard); code != exitUsage {
			t.Errorf("tunneld %v: exit code %d, want %d", words, code, exitUsage)
		}
	}
}
