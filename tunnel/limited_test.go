package tunnel

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

func TestUnreachableSaysWhy(t *testing.T) {
	target := config.Endpoint{Host: "localhost", Port: 7777}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&ssh.OpenChannelError{Reason: ssh.ConnectionFailed, Message: "Connection refused"}, "the server cannot reach localhost:7777: Connection refused"},
		{&ssh.OpenChannelError{Reason: ssh.ConnectionFailed}, "the server cannot reach localhost:7777: connect failed"},
		{&ssh.OpenChannelError{Reason: ssh.Prohibited, Message: "open failed"}, "the server does not allow connections to localhost:7777"},
	} {
		if got := unreachable(target, c.err).Error(); got != c.want {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
	if err := unreachable(target, errSessionDown); !errors.Is(err, errSessionDown) || err.Error() != errSessionDown.Error() {
		t.Errorf("another error became %v", err)
	}
}

func TestWrongTargetIsToldNowAndThen(t *testing.T) {
	var w wrongTarget
	began := time.Now()
	for _, c := range []struct {
		after time.Duration
		text  string
		more  int
		tell  bool
	}{
		{0, "refused", 0, true},
		{time.Second, "refused", 0, false},
		{2 * time.Second, "another cause", 0, false},
		{2 * time.Minute, "refused", 0, false},
		{3 * time.Minute, "another cause", 3, true},
		{17 * time.Minute, "another cause", 0, false},
		{19 * time.Minute, "another cause", 1, true},
	} {
		if more, tell := w.due(c.text, began.Add(c.after)); more != c.more || tell != c.tell {
			t.Errorf("%q after %v: %d more, told %t; want %d, %t", c.text, c.after, more, tell, c.more, c.tell)
		}
	}
}
