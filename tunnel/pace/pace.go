// Package pace has the collector and the cores of the process follow what it carries. The library allocates each packet of a
// download anew (x/crypto/ssh v0.58.0, transport.go:176), 32 KiB that live for microseconds; with a heap as small as that of a
// tunnel the collector would run many times a second. While much is carried it waits for more garbage, and afterwards the memory
// goes back to the system.
package pace

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

const (
	headroom = 32 << 20        // bytes of garbage between two collections while much is carried
	most     = 1600            // percent, of a heap that is very small
	lull     = 3 * time.Second // in which little is carried, after which all is as it was
	tick     = time.Second     // between two looks at how large the heap is by now
)

// Pacer sets the pace of the process's collector. There is one in a process: All.
type Pacer struct {
	fixed bool        // somebody has set the collector's pace, and knows why
	busy  atomic.Bool // much has been carried since the last look

	mu     sync.Mutex  // guards all following fields
	since  time.Time   // when a look last found that
	normal int         // percent, at other times
	look   *time.Timer // calls follow while the pace is not the normal one; nil: it is
}

// All is the pacer of the process.
var All = &Pacer{fixed: os.Getenv("GOGC") != ""}

// Carry notes that a part of a transfer of many bytes has been carried just now. It is called for each part, which costs a look at a
// flag: that a transfer is over shows by nothing else, where its connection stays open.
func (p *Pacer) Carry() {
	if p.fixed || p.busy.Load() {
		return
	}
	p.busy.Store(true) // before the lock: who rests sees it, or is seen here
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.look == nil {
		p.normal = debug.SetGCPercent(percent(100))
		p.look = time.AfterFunc(tick, p.follow)
	}
}

// follow adapts the pace to the size of the heap, until nothing has been carried for a while.
func (p *Pacer) follow() {
	if p.rested() {
		debug.FreeOSMemory()
	}
}

// rested sets the pace, and reports whether it is the normal one again.
func (p *Pacer) rested() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch now := time.Now(); {
	case p.busy.Swap(false):
		p.since = now
	case now.Sub(p.since) >= lull:
		debug.SetGCPercent(p.normal)
		p.look = nil
		return true
	}
	debug.SetGCPercent(percent(p.normal))
	p.look.Reset(tick)
	return false
}

// percent is what leaves headroom to a heap of the present size, and never less than normal.
func percent(normal int) int {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if live[0].Value.Kind() != metrics.KindUint64 {
		return normal
	}
	return max(normal, min(most, int(headroom*100/max(live[0].Value.Uint64(), 1))))
}
