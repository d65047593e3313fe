package main

import (
	"errors"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"io"
	"testing"
)

// An error that nobody gave a type may pass; only the command line itself is a matter of usage.
func TestErrorWithoutATypeIsNoUsageError(t *testing.T) {
	if code := exit.Print(io.Discard, errors.New("something")); code != exit.GaveUp {
		t.Errorf("exit code %d, want %d", code, exit.GaveUp)
	}
	for _, words := range [][]string{{"nonsense"}, {"up", "--nonsense"}, {"up"}} {
		if code := run(t.Context(), append([]string{"tunneld"}, words...), io.Discard, io.Discard); code != exit.Usage {
			t.Errorf("tunneld %v: exit code %d, want %d", words, code, exit.Usage)
		}
	}
}
