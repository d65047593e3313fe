package signals

import (
	"os"
	"syscall"
	"testing"
	"time"
)

func TestSecondSignalWithinASecondIsTheFirst(t *testing.T) {
	var r Stop
	begun := time.Now()
	for _, c := range []struct {
		after           time.Duration
		again, repeated bool
	}{{0, false, false}, {time.Millisecond, false, true}, {999 * time.Millisecond, false, true}, {time.Second, true, false}} {
		if again := r.Again(syscall.SIGTERM, begun.Add(c.after)); again != c.again || r.Repeated != c.repeated {
			t.Errorf("after %v: again %v, the same once more %v", c.after, again, r.Repeated)
		}
	}
}

// "Ctrl-C again ends at once" was not true for a second. What sends SIGINT twice by itself does so at once.
func TestCtrlCAgainEndsAtOnce(t *testing.T) {
	begun := time.Now()
	for _, c := range []struct {
		first, second os.Signal
		after         time.Duration
		again         bool
	}{
		{syscall.SIGINT, syscall.SIGINT, 300 * time.Millisecond, true},
		{syscall.SIGINT, syscall.SIGINT, 50 * time.Millisecond, false},
		{syscall.SIGTERM, syscall.SIGINT, 300 * time.Millisecond, true},
		{syscall.SIGINT, syscall.SIGTERM, 300 * time.Millisecond, false},
	} {
		var r Stop
		r.Again(c.first, begun)
		if again := r.Again(c.second, begun.Add(c.after)); again != c.again || r.Repeated == c.again {
			t.Errorf("%v and after %v %v: again %v, the same once more %v", c.first, c.after, c.second, again, r.Repeated)
		}
	}
}
