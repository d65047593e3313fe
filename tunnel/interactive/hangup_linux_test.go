package interactive

import (
	"errors"
	"io"
	"testing"
)

// A terminal that is closed under a session ends it: a server that has given a terminal of its own goes on for ever after the end
// of the input. The client of a ControlMaster is told of it by the kernel, and ends itself.
func TestSessionEndsWithItsTerminal(t *testing.T) {
	for _, c := range []struct {
		name    string
		request Request
		refused bool
		ends    bool
	}{
		{"ours", Request{Terminal: true, Raw: true, Host: "host"}, false, true},
		{"no terminal there", Request{Terminal: true, Raw: true}, true, false},
		{"a command without one", Request{Command: "cat", Raw: true}, false, false},
		{"of a client", Request{Terminal: true}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			keyboard, tty := pty(t)
			ch := newFakeChannel()
			ch.refuse["pty-req"] = c.refused
			run := begin(t.Context(), t, ch, c.request, Files{tty, tty, tty})
			eventually(t, "it has begun", func() bool { return ch.has("shell") || ch.has("exec") })
			if c.ends {
				eventually(t, "the terminal is raw", func() bool { return isRaw(t, tty) })
			}
			keyboard.Close()
			if !c.ends {
				io.Copy(io.Discard, ch.fromIn) // to the end of the input
				ch.exit(3)
			}
			result, err := run.wait()
			if c.ends && (!errors.Is(err, ErrHungUp) || result.Status != StatusNone) || !c.ends && (err != nil || result.Status != 3) {
				t.Errorf("ended with %+v, %v", result, err)
			}
		})
	}
}
