package main

import (
	"testing"
	"time"
)

func TestSecondSignalWithinASecondIsTheFirst(t *testing.T) {
	var r stopRequest
	begun := time.Now()
	for _, c := range []struct {
		after           time.Duration
		again, repeated bool
	}{{0, false, false}, {time.Millisecond, false, true}, {999 * time.Millisecond, false, true}, {time.Second, true, false}} {
		if again := r.again(begun.Add(c.after)); again != c.again || r.repeated != c.repeated {
			t.Errorf("after %v: again %v, the same once more %v", c.after, again, r.repeated)
		}
	}
}
