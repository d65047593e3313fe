package integration

import (
	"testing"
	"time"
)

func expectReset(t *testing.T, who string, err error) {
	t.Helper()
	if !wasReset(err) {
		t.Errorf("%s saw %v, want a reset", who, err)
	}
}

// receive waits for a value.
func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing came within %v", patience)
		panic("unreachable")
	}
}
