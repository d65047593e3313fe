package sshconn

import "sync"

// once remembers what has been said already. The zero value is ready.
type once struct {
	mu   sync.Mutex
	said map[string]bool
}

// maxSaid bounds it: what a process says this often it may say again.
const maxSaid = 1000

// first reports whether it is asked about what for the first time.
func (o *once) first(what string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.said[what] {
		return false
	}
	if o.said == nil || len(o.said) >= maxSaid {
		o.said = make(map[string]bool)
	}
	o.said[what] = true
	return true
}
