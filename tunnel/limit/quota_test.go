package limit

import "testing"

func TestQuotaLeavesRoomForOthers(t *testing.T) {
	q := NewQuota(100)
	all := func(cause string) (n int) {
		for q.Take(cause) {
			n++
		}
		return n
	}
	for cause, want := range map[string]int{"flood": 50} {
		if n := all(cause); n != want {
			t.Errorf("one cause got %d of 100 places, want %d", n, want)
		}
	}
	second, third := all("second"), all("third")
	if second == 0 || third == 0 || 50+second+third > 100 {
		t.Errorf("beside a flood the second got %d, the third %d", second, third)
	}
	for range 50 {
		q.Release("flood")
	}
	for range second {
		q.Release("second")
	}
	for range third {
		q.Release("third")
	}
	if q.used != 0 || len(q.by) != 0 {
		t.Errorf("left over: %d, %v", q.used, q.by)
	}
}
