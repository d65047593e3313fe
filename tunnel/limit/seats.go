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
	open    int // of them that the server has opened
	proven  int // as many were open at once, so it allows them
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

// Opened notes that the server has opened a session that has a seat.
func (s *Seats) Opened() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	s.proven = max(s.proven, s.open)
}

// Free gives a seat back; opened tells whether the server had opened its session.
func (s *Seats) Free(opened bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if opened {
		s.open--
	}
}

// Refused is Free for a session that the server has refused: it allows no more than the others, or than there were at once.
// The others may be too few: some have ended since. It is false where there are none: then it refuses for another reason.
func (s *Seats) Refused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken--; s.taken == 0 {
		return false
	}
	s.most, s.learned = max(s.taken, s.proven), time.Now()
	if s.taken < s.proven {
		s.proven-- // we may have counted one that the server had closed already: not for ever
	}
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
		s.most, s.proven = 0, s.open
	}
	return s.most
}

// Count returns how many are taken.
func (s *Seats) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}
