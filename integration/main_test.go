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
	if os.Getenv(bootClockVariable) != "" {
		launchUnderClock()
	}
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

// tunneldBinary builds cmd/tunneld at the first call, with the race detector where the tests run with it, and gives its
// path. TUNNELD_BINARY names one that is built already.
var tunneldBinary = sync.OnceValues(func() (string, error) {
	if raceEnabled {
		return build("tunneld-race", "-race")
	}
	return plainBinary()
})

// plainBinary is the same without the race detector, for what is measured.
var plainBinary = sync.OnceValues(func() (string, error) { return build("tunneld") })

func build(name string, flags ...string) (string, error) {
	if path := os.Getenv("TUNNELD_BINARY"); path != "" {
		return path, nil
	}
	path := filepath.Join(shared, name)
	args := append([]string{"build", "-o", path}, flags...)
	if out, err := exec.Command("go", append(args, "github.com/tunneld/tunneld/cmd/tunneld")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}
