package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// TestMain keeps what all tests share in one temporary directory and takes it away at the end.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tunneld-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// shared is the directory that lives as long as the test run; set once by TestMain.
var shared string

// tunneldBinary builds cmd/tunneld at the first call and gives its path. TUNNELD_BINARY names one that is built already.
var tunneldBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("TUNNELD_BINARY"); path != "" {
		return path, nil
	}
	path := filepath.Join(shared, "tunneld")
	args := []string{"build", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "github.com/tunneld/tunneld/cmd/tunneld")...)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})
