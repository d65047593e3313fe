package lab

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Main is the TestMain of a package of integration tests: it keeps what its tests share in one temporary directory, and
// takes that away at the end. It returns the exit code.
func Main(m *testing.M) int {
	if os.Getenv(bootClockVariable) != "" {
		launchUnderClock()
	}
	dir, err := os.MkdirTemp("", "tunneld-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	Shared = dir
	if signal.Ignored(syscall.SIGHUP) { // under nohup, and so our children would ignore it, too
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	return m.Run()
}

// Shared is the directory that lives as long as the test run; set once by TestMain.
var Shared string

// RaceEnabled reports that the program under test is built with the race detector: the tests are, or make says where one is.
// Under make the tests themselves are not: they run nothing of the project but the program.
var RaceEnabled = raceTests || os.Getenv("TUNNELD_BINARIES") != ""

// tunneldBinary builds cmd/tunneld at the first call, with the race detector where the tests run with it, and returns its
// path. TUNNELD_BINARY names one that is built already, TUNNELD_BINARIES a directory that has tunneld and tunneld-race,
// as make sets it.
var tunneldBinary = sync.OnceValues(func() (string, error) {
	if RaceEnabled {
		return build("tunneld-race", "-race")
	}
	return PlainBinary()
})

// PlainBinary is the same without the race detector, for what is measured.
var PlainBinary = sync.OnceValues(func() (string, error) { return build("tunneld") })

func build(name string, flags ...string) (string, error) {
	if path := os.Getenv("TUNNELD_BINARY"); path != "" {
		return path, nil
	}
	if dir := os.Getenv("TUNNELD_BINARIES"); dir != "" {
		return filepath.Join(dir, name), nil
	}
	path := filepath.Join(Shared, name)
	args := append([]string{"build", "-o", path}, flags...)
	if out, err := exec.Command("go", append(args, "github.com/tunneld/tunneld/cmd/tunneld")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}
