package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tunneld/tunneld/config"
)

// Who forgets "up" learns what to type.
func TestDestinationInPlaceOfACommand(t *testing.T) {
	environment := config.Environment{UserFile: filepath.Join(t.TempDir(), "config")}
	if err := os.WriteFile(environment.UserFile, []byte("Host web\n    LocalForward 1 a:2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]bool{"web": true, "bob@host": true, "wbe": false, "statsu": false} {
		if got := isDestination(environment, word); got != want {
			t.Errorf("%s: %t, want %t", word, got, want)
		}
	}
}
