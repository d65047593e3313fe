package netmon

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// In a network of its own: what happens there is told, once for a burst, and nothing twice.
func TestNetworkChanges(t *testing.T) {
	ip, socket := ownNetwork(t)
	var changes changeCount
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- followNetwork(ctx, socket, func() { changes.Add(1) }) }()
	ip("link", "set", "lo", "up")
	changes.expect(t, "lo up", 1)
	ip("addr", "add", "192.0.2.1/24", "dev", "lo")
	ip("addr", "add", "2001:db8::1/64", "dev", "lo")
	changes.expect(t, "addresses", 2)
	ip("route", "add", "default", "via", "192.0.2.2")
	changes.expect(t, "route", 3)
	ip("addr", "change", "192.0.2.1/24", "dev", "lo", "valid_lft", "300", "preferred_lft", "300")
	changes.expect(t, "address announced once more", 3)
	ip("route", "del", "default")
	changes.expect(t, "route gone", 4)
	ip("link", "set", "lo", "down")
	changes.expect(t, "link down", 5)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// ownNetwork moves the test's thread into a network namespace of its own. It returns ip(8) to change it with, and a socket that
// listens there.
func ownNetwork(t *testing.T) (ip func(...string), socket *os.File) {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip: not installed; as root, make tools installs it")
	}
	runtime.LockOSThread() // for ever: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("needs root: a network namespace of its own (%v)", err)
	}
	socket, err := listenNetwork()
	if err != nil {
		t.Fatal(err)
	}
	return func(words ...string) {
		t.Helper()
		if out, err := exec.Command("ip", words...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v %s", words, err, out)
		}
	}, socket
}

// changeCount counts what watchNetwork tells.
type changeCount struct{ atomic.Int64 }

func (c *changeCount) expect(t *testing.T, what string, want int64) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for c.Load() < want {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d changes were told, want %d", what, c.Load(), want)
		}
		<-time.After(5 * time.Millisecond)
	}
	<-time.After(2 * quiet) // whatever else belongs to it
	if got := c.Load(); got != want {
		t.Errorf("%s: %d changes were told, want %d", what, got, want)
	}
}

func TestDebounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := make(chan struct{}, 1)
		var told []time.Duration
		begun := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			debounce(events, func() { told = append(told, time.Since(begun)) })
		}()
		events <- struct{}{}
		<-time.After(10 * time.Second)
		for range 30 { // for three seconds without a pause
			select {
			case events <- struct{}{}:
			default:
			}
			<-time.After(100 * time.Millisecond)
		}
		<-time.After(10 * time.Second)
		close(events)
		<-done
		if len(told) < 3 || len(told) > 5 || told[0] != quiet || told[1] > 11*time.Second+burst {
			t.Errorf("told at %v", told)
		}
	})
}
