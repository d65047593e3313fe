package sshtest

import (
	"time"

	"github.com/tunneld/tunneld/config/foreign"
)

// T is what checks need of a *testing.T; the program itself does not link the testing package.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Eventually polls until ok holds, for 10 s at most.
func Eventually(t T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// Plain fails where an error's text could do something to a terminal, or make a line of its own. nil is plain.
func Plain(t T, err error) {
	t.Helper()
	if err != nil {
		PlainText(t, err.Error())
	}
}

// PlainText is Plain for a text.
func PlainText(t T, text string) {
	t.Helper()
	if foreign.Own(text).String() != text {
		t.Fatalf("%q is not fit to be shown", text)
	}
}
