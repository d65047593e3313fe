package autossh

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	spec "github.com/tunneld/tunneld/config/autossh"
)

// PIDFile is AUTOSSH_PIDFILE. The zero value is none.
type PIDFile struct{ path string }

// WritePIDFile writes our number, over whatever is there, as autossh does. An error is a *Refusal of config/autossh.
func WritePIDFile(path string) (PIDFile, error) {
	if path == "" {
		return PIDFile{}, nil
	}
	if err := os.WriteFile(path, []byte(pidText()), 0o644); err != nil {
		return PIDFile{}, &spec.Refusal{Text: spec.CannotOpenPIDFile(path, Reason(err)).Text}
	}
	if absolute, err := filepath.Abs(path); err == nil { // we may leave this directory
		path = absolute
	}
	return PIDFile{path}, nil
}

func pidText() string { return fmt.Sprintf("%d\n", os.Getpid()) }

// Remove removes the file, unless another process has written its number there since.
func (f PIDFile) Remove() {
	if f.path == "" {
		return
	}
	if text, err := os.ReadFile(f.path); err == nil && strings.TrimSpace(string(text)) == strings.TrimSpace(pidText()) {
		os.Remove(f.path)
	}
}
