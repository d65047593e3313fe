package limit

import (
	"sync"
	"time"
)

// crowdedTime is how long it is believed that a connection takes no more sessions than it did: a server may have refused for
// another reason, and a session that ended just then makes the count too low. To ask again costs a round trip.
const crowdedTime = time.Minute

// Seats counts the sessions of RFC 4254 §6 on a connection, and keeps to what is known of how many the server allows
// (MaxSessions in sshd_config(5)). The zero value is ready: nothing is known.
type Seats struct {
	mu      sync.Mutex // guards all following fields
	taken   int
	most    int // that the server allows, as far as is known; 0: it is not
	learned time.Time
}

// Take takes a seat, which is given back with Free. It is false where there is none, as far as is known.
func (s *Seats) Take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if most := s.mostLocked(); most > 0 && s.taken >= most {
		return false
	}
	s.taken++
	return true
}

// Occupy takes a seat whatever is known.
func (s *Seats) Occupy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
}

// Free gives a seat back.
func (s *Seats) Free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
}

// Refused is Free for a session that the server has refused: it allows no more than the others. It is false where there are
// none: then it refuses for another reason.
func (s *Seats) Refused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken--; s.taken == 0 {
		return false
	}
	s.most, s.learned = s.taken, time.Now()
	return true
}

// Expect has a new connection taken to allow as many as another of the same server; 0: nothing is known.
func (s *Seats) Expect(most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most, s.learned = most, time.Now()
}

// Known returns how many the server allows, as far as is known; 0: it is not.
func (s *Seats) Known() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mostLocked()
}

func (s *Seats) mostLocked() int {
	if s.most > 0 && time.Since(s.learned) > crowdedTime {
		s.most = 0
	}
	return s.most
}

// Count returns how many are taken.
func (s *Seats) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}
