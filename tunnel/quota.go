package tunnel

import "sync"

// quota bounds what waits for something, and keeps one cause from using up all room: a cause may have as many places as
// are free besides, so one alone gets half of them, two get a third each, and there is always room for another.
type quota struct {
	max int // places

	mu   sync.Mutex // guards all following fields
	used int
	by   map[string]int // places by cause
}

func newQuota(places int) *quota { return &quota{max: places, by: make(map[string]int)} }

// take returns a place to cause, which gives it back with release. It is false where there is none.
func (q *quota) take(cause string) bool { return q.takeOf(q.max, cause) }

// takeOf is take where there are as many places as it says.
func (q *quota) takeOf(places int, cause string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.by[cause] >= places-q.used {
		return false
	}
	q.used++
	q.by[cause]++
	return true
}

func (q *quota) release(cause string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used--
	if q.by[cause]--; q.by[cause] == 0 {
		delete(q.by, cause)
	}
}
