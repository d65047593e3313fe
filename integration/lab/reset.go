package lab

import (
	"testing"
	"time"
)

func ExpectReset(t *testing.T, who string, err error) {
	t.Helper()
	if !WasReset(err) {
		t.Errorf("%s saw %v, want a reset", who, err)
	}
}

// Receive waits for a value.
func Receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(Patience):
		t.Fatalf("nothing came within %v", Patience)
		panic("unreachable")
	}
}
