package pace

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestCores(t *testing.T) {
	for _, c := range []struct{ connections, present, want int }{
		{1, 1, 1}, {1, 2, 1}, {1, 64, 1}, {0, 8, 1}, {2, 2, 1}, {2, 8, 2}, {500, 2, 1}, {500, 8, 4}, {500, 9, 4},
	} {
		if n := cores(c.connections, c.present); n != c.want {
			t.Errorf("%d connections get %d of %d cores, want %d", c.connections, n, c.present, c.want)
		}
	}
}

// What is used grows with the connections and shrinks with them, and a GOMAXPROCS that was set holds.
func TestUse(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	defer runtime.SetDefaultGOMAXPROCS()
	for _, connections := range []int{1, 500, 1} {
		Use(connections)
		if n, want := runtime.GOMAXPROCS(0), cores(connections, runtime.NumCPU()); n > want {
			t.Errorf("%d cores for %d connections, want %d", n, connections, want)
		}
	}
	runtime.GOMAXPROCS(3)
	t.Setenv("GOMAXPROCS", "3")
	Use(1)
	if n := runtime.GOMAXPROCS(0); n != 3 {
		t.Errorf("%d cores where 3 were asked for", n)
	}
}

// Where somebody opens connections beside a transfer Go has one core more until a while after the last, and the transfer rests where
// that is all of them.
func TestBeside(t *testing.T) {
	defer runtime.SetDefaultGOMAXPROCS()
	for _, c := range []struct {
		name           string
		present, usual int
		want           int
		rests          bool
	}{
		{"two cores", 2, 1, 2, true},
		{"many cores", 8, 2, 3, false},
		{"one core", 1, 1, 1, true},
		{"somebody has set how many", 0, 0, 3, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				runtime.GOMAXPROCS(3)
				s := &scheduler{started: time.Now(), present: c.present, usual: c.usual}
				rests := func() bool {
					r, before := Rest{of: s}, time.Now()
					r.Carry(portion - 1)
					if took := time.Since(before); took != 0 {
						t.Errorf("rests for %v too early", took)
					}
					r.Carry(1)
					return time.Since(before) == rest
				}
				if rests() {
					t.Error("rests, and nobody has opened anything")
				}
				for range 3 {
					s.beside()
					if n, rested := runtime.GOMAXPROCS(0), rests(); n != c.want || rested != c.rests {
						t.Errorf("%d cores, rests: %v", n, rested)
					}
					time.Sleep(lull - time.Second)
				}
				if rests() {
					t.Error("rests long after anybody has opened anything")
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if n := runtime.GOMAXPROCS(0); c.present > 0 && n != c.usual {
					t.Errorf("%d cores afterwards", n)
				}
			})
		})
	}
}

// A change of the connections meanwhile is heeded, and holds afterwards.
func TestUseBesideATransfer(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	defer runtime.SetDefaultGOMAXPROCS()
	present := runtime.NumCPU()
	synctest.Test(t, func(t *testing.T) {
		s := &scheduler{started: time.Now()}
		s.use(1)
		s.beside()
		s.use(2 * present)
		if n := runtime.GOMAXPROCS(0); n < min(present, 2) || n <= s.usual && s.usual < s.present {
			t.Errorf("%d cores of %d, usually %d", n, present, s.usual)
		}
		time.Sleep(2 * lull)
		synctest.Wait()
		if n := runtime.GOMAXPROCS(0); n != s.usual {
			t.Errorf("%d cores afterwards, want %d", n, s.usual)
		}
	})
}
