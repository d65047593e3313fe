package pace

import (
	"os"
	"runtime"
)

// Use has the process run Go on as many cores as so many connections to servers are worth. The bytes of one go through four
// goroutines one after the other. On several cores each hand-over wakes another core, which searches for work, sleeps and has
// to be woken anew: measured on two, that took a quarter of all CPU time of an upload or a download, and of a small request
// two fifths, and the cores were missing at the other end. Calls that may take long, which those of sockets do not (package
// brief), run beside. Half of the cores are left to whoever makes or takes the bytes. A GOMAXPROCS that somebody has set holds.
func Use(connections int) {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	runtime.SetDefaultGOMAXPROCS() // the cores that there are, or that a container may use
	runtime.GOMAXPROCS(cores(connections, runtime.GOMAXPROCS(0)))
}

func cores(connections, present int) int { return max(1, min(connections, present/2)) }
