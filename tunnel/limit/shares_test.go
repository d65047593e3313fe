package limit

import (
	"context"
	"testing"
	"time"
)

func (one *Share) takeAll() (n int) {
	for one.Take() {
		n++
	}
	return n
}

func TestSharesLeaveRoomForOthers(t *testing.T) {
	s := NewShares(102)
	flood := s.Join(2)
	if n := flood.takeAll(); n != 100 {
		t.Errorf("who is alone got %d of 100 places", n)
	}
	for range 100 {
		flood.Release()
	}
	second, third := s.Join(0), s.Join(0)
	if n := flood.takeAll(); n != 100-2*16 || n != flood.Most() {
		t.Errorf("one of three got %d of 100 places, most says %d", n, flood.Most())
	}
	if n := second.takeAll(); n != 16 {
		t.Errorf("beside a flood the second got %d places, want 16", n)
	}
	if n := third.takeAll(); n != 16 {
		t.Errorf("beside a flood the third got %d places, want 16", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	told := 0
	time.AfterFunc(time.Millisecond, flood.Release)
	flood.Await(ctx, func() { told++ })
	if ctx.Err() != nil || told != 1 || !flood.Take() {
		t.Errorf("who waits for a place: %v, told %d times", ctx.Err(), told)
	}
	second.Leave()
	third.Leave()
	if n := flood.takeAll(); n != 0 { // their connections are still open
		t.Errorf("%d places too many", n)
	}
	for range 16 {
		second.Release()
		third.Release()
	}
	if n := flood.takeAll(); n != 32 {
		t.Errorf("when the others had left there were %d places, want 32", n)
	}
}
