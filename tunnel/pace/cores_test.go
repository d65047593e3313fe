package pace

import (
	"runtime"
	"testing"
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
