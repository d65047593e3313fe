package autossh

import (
	"os"
	"path/filepath"
	"testing"
)

// The pid file of an autossh that was started in our place is not ours to remove.
func TestPIDFileOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	f, err := WritePIDFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.Remove()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	if f, err = WritePIDFile(path); err != nil {
		t.Fatal(err)
	}
	f.Remove()
	if _, err := os.Stat(path); err == nil {
		t.Error("our own is left")
	}
}
