package pace

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	beside  = 100 * time.Millisecond // how long a transfer makes room after a connection was opened beside it
	portion = 768 << 10              // bytes that it carries meanwhile between two rests
	rest    = time.Millisecond       // one
)

// scheduler is on how many cores Go runs.
type scheduler struct {
	started time.Time
	opened  atomic.Int64 // when a connection was last opened beside a transfer, since started
	crowded atomic.Bool  // one was a while ago, and Go has all cores

	mu      sync.Mutex
	present int         // cores that there are, or that a container may use; 0: not ours to say
	usual   int         // of them, those that the connections are worth
	look    *time.Timer // nil: as usual
}

var process = &scheduler{started: time.Now()}

// Use has the process run Go on as many cores as so many connections to servers are worth. The bytes of one go through four
// goroutines one after the other. On several cores each hand-over wakes another core, which searches for work, sleeps and has
// to be woken anew: measured on two, that took a quarter of all CPU time of an upload or a download, and of a small request
// two fifths, and the cores were missing at the other end. Calls that may take long, which those of sockets do not (package
// brief), run beside. Half of the cores are left to whoever makes or takes the bytes. A GOMAXPROCS that somebody has set holds.
func Use(connections int) { process.use(connections) }

func (s *scheduler) use(connections int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if os.Getenv("GOMAXPROCS") != "" {
		s.present = 0
		return
	}
	runtime.SetDefaultGOMAXPROCS()
	s.present = runtime.GOMAXPROCS(0)
	s.usual = cores(connections, s.present)
	s.setLocked()
}

// setLocked has Go run on the usual cores, or on one more.
func (s *scheduler) setLocked() {
	n := s.usual
	if s.look != nil {
		n = min(n+1, s.present)
	}
	runtime.GOMAXPROCS(n)
	s.crowded.Store(s.look != nil && n == s.present)
}

func cores(connections, present int) int { return max(1, min(connections, present/2)) }

// Beside notes that somebody opens a connection beside a transfer, for which another connection to the server may be used. A transfer
// that fills a core has used up what the kernel gives the process, and all others wait for it, milliseconds at each of their
// hand-overs. So Go has one core more for a while, and where it then has all of them what arrives rests now and then (Rest).
func Beside() { process.beside() }

func (s *scheduler) beside() {
	s.opened.Store(int64(time.Since(s.started)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.look == nil && s.present > 0 {
		s.look = time.AfterFunc(lull, s.follow)
		s.setLocked()
	}
}

// follow has all be as usual once no connection was opened beside a transfer for a while.
func (s *scheduler) follow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if left := lull - s.since(); left > 0 {
		s.look.Reset(left)
		return
	}
	s.look = nil
	s.setLocked()
}

func (s *scheduler) since() time.Duration {
	return time.Since(s.started) - time.Duration(s.opened.Load())
}

// Rest has what arrives on a connection make room for others. It is for one goroutine at a time.
type Rest struct {
	of      *scheduler
	carried int // bytes since the last rest
}

// NewRest returns a Rest.
func NewRest() Rest { return Rest{of: process} }

// Carry is called for each part that has come. It sleeps for a millisecond where room is wanted.
func (r *Rest) Carry(bytes int) {
	if !r.of.crowded.Load() {
		return
	}
	if r.carried += bytes; r.carried >= portion {
		r.carried = 0
		if r.of.since() < beside {
			time.Sleep(rest)
		}
	}
}
