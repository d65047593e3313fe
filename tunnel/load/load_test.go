package load

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestChoice(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, then Load
	}{
		{"in doubt", Load{Transfers: 9, Open: 9}, Load{Doubted: true}},
		{"a transfer", Load{Open: 9}, Load{Transfers: 1, Open: 1}},
		{"more of them", Load{Transfers: 1, Open: 9}, Load{Transfers: 2, Open: 2}},
		{"more connections", Load{Transfers: 1, Open: 1}, Load{Transfers: 1, Open: 2}},
	} {
		for _, order := range [][]Load{{c.first, c.then, c.first}, {c.then, c.first, c.then}} {
			var choice Choice
			var best Load
			for i, l := range order {
				if choice.Better(l) {
					best = l
				}
				if i == 0 {
					choice.Made(func() { t.Errorf("%s: a transfer beside one connection", c.name) })
				}
			}
			if best != c.first {
				t.Errorf("%s: of %+v %+v is the best", c.name, order, best)
			}
			beside := false
			choice.Made(func() { beside = true })
			if beside != (c.first.Transfers+c.then.Transfers > 0) {
				t.Errorf("%s: a transfer beside: %v", c.name, beside)
			}
		}
	}
}

// A stream is a transfer while it carries much, and until it has ended.
func TestTransfers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all Transfers
		var slow, one, other Stream
		want := func(n int) {
			t.Helper()
			if got := all.Count(); got != n {
				t.Errorf("%d transfers, want %d", got, n)
			}
		}
		carry := func(s *Stream, blocks int, each time.Duration) {
			for range blocks {
				time.Sleep(each)
				all.Carry(s, block/2)
				all.Carry(s, block/2)
			}
		}
		carry(&slow, 9, quick+time.Millisecond)
		want(0)
		carry(&one, 1, 0)
		want(0) // it may be all
		carry(&one, 1, quick)
		want(1)
		carry(&other, 9, 0)
		want(2)
		time.Sleep(patient)
		want(2)
		time.Sleep(time.Millisecond)
		want(0)
		carry(&one, 2, 0)
		carry(&other, 2, 0)
		want(2)
		all.End(&one)
		carry(&one, 9, 0) // what was under way
		want(1)
		all.End(&other)
		want(0)
	})
}
