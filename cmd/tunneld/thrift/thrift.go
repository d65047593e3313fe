// Package thrift gives memory back that a process does not need any more. What it takes to come up is garbage a second later: the
// configuration, key exchanges, the deep stacks of both. By itself the collector looks again when as much has been allocated
// anew, or after two minutes, halves a stack each time, and lets the system have the rest over minutes.
package thrift

import (
	"runtime"
	"runtime/debug"
	"time"
)

const (
	calm  = time.Second      // without a change, before the process is taken to be at rest
	least = 30 * time.Second // between two times
	stack = 3                // collections after which even those stacks are small that a key exchange needed
	grown = 3 * time.Second  // after which every stack has its size again: what is done every so often has been done once
	often = 2 * time.Minute  // between two collections that the runtime makes where next to nothing is allocated
)

// Keeper knows when to give memory back. It is for one goroutine.
type Keeper struct {
	C     <-chan time.Time // says that GiveBack is due
	timer *time.Timer
	last  time.Time // when all was given back
	rests bool      // nothing has changed since
}

// NewKeeper returns a Keeper for which something has changed just now. Its owner calls Stop.
func NewKeeper() *Keeper {
	timer := time.NewTimer(calm)
	return &Keeper{C: timer.C, timer: timer}
}

// Changed notes that a tunnel has come up or gone down.
func (k *Keeper) Changed() {
	k.rests = false
	k.timer.Reset(max(calm, time.Until(k.last.Add(least))))
}

// GiveBack gives back what is not in use: heap, stacks, and pages of the program itself. It takes a few milliseconds, and longer with hundreds of tunnels.
//
// The pages of the program are due again when stacks have grown to what is done all the time, and after each collection: both read
// tables of all functions that are under way, and a page fault brings 64 KiB of them.
func (k *Keeper) GiveBack() {
	if k.rests {
		k.timer.Reset(often)
	} else {
		k.rests, k.last = true, time.Now()
		k.timer.Reset(grown)
		for range stack {
			runtime.GC()
		}
		debug.FreeOSMemory()
	}
	_ = letGoOfText() // where the system has no such thing, or forbids it, it takes them when it needs memory
}

// Stop has C say nothing more.
func (k *Keeper) Stop() { k.timer.Stop() }
