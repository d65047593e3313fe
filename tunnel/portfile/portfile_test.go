package portfile

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// A tunnel that ends takes its own file away, and not that of the one that has come in its place.
func TestFileOfTheNextStays(t *testing.T) {
	path, log := filepath.Join(t.TempDir(), "ports"), slog.New(slog.DiscardHandler)
	var before, next File
	before.Update(path, func() []string { return []string{"0:a 1\n"} }, log)
	next.Update(path, func() []string { return []string{"0:a 2\n"} }, log)
	before.Remove(log)
	before.Update(path, func() []string { return nil }, log) // a reload that was under way
	if text, err := os.ReadFile(path); string(text) != "0:a 2\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
	next.Remove(log)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
}
