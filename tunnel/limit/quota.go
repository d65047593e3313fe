package limit

import "sync"

// Quota bounds what waits for something, and keeps one cause from using up all room: a cause may have as many places as
// are free besides, so one alone gets half of them, two get a third each, and there is always room for another.
type Quota struct {
	max int // places

	mu   sync.Mutex // guards all following fields
	used int
	by   map[string]int // places by cause
}

// NewQuota returns a quota of so many places.
func NewQuota(places int) *Quota { return &Quota{max: places, by: make(map[string]int)} }

// Take returns a place to cause, which gives it back with Release. It is false where there is none.
func (q *Quota) Take(cause string) bool { return q.TakeOf(q.max, cause) }

// TakeOf is Take where there are as many places as it says.
func (q *Quota) TakeOf(places int, cause string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.by[cause] >= places-q.used {
		return false
	}
	q.used++
	q.by[cause]++
	return true
}

// Release gives a place of cause back.
func (q *Quota) Release(cause string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used--
	if q.by[cause]--; q.by[cause] == 0 {
		delete(q.by, cause)
	}
}
