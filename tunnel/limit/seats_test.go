package limit

import (
	"testing"
	"testing/synctest"
	"time"
)

// What a connection is believed to take is asked again after a while: the server may allow more by then, or may have refused for
// another reason.
func TestSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Seats
		s.Occupy()
		if s.Refused() {
			t.Error("the first session is refused for there being too many")
		}
		for range 4 {
			if !s.Take() {
				t.Fatal("no seat though nothing is known")
			}
		}
		if !s.Refused() || s.Take() || s.Known() != 3 {
			t.Errorf("after a refusal: %d are allowed", s.Known())
		}
		s.Free(false)
		if !s.Take() || s.Take() {
			t.Error("a seat that is free again is not given, or two are")
		}
		<-time.After(crowdedTime + time.Second)
		if !s.Take() || s.Known() != 0 {
			t.Error("never asked again")
		}
		s.Expect(4)
		if s.Take() || s.Count() != 4 {
			t.Errorf("%d taken of 4 expected", s.Count())
		}
	})
}

// Of many that are asked for at once some have ended before the last is refused.
func TestSeatsThatWereProven(t *testing.T) {
	var s Seats
	for range 12 {
		s.Take()
	}
	for range 10 {
		s.Opened()
	}
	for range 7 {
		s.Free(true)
	}
	if !s.Refused() || s.Known() != 10 {
		t.Errorf("%d are allowed, and ten were open at once", s.Known())
	}
	if !s.Refused() || s.Known() != 9 {
		t.Errorf("%d are allowed, and with fewer it has refused one twice", s.Known())
	}
	if s.Count() != 3 {
		t.Errorf("%d are taken", s.Count())
	}
}
