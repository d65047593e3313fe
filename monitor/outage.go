package monitor

import (
	"time"

	"github.com/tunneld/tunneld/config/foreign"
)

// Outage is a time in which a tunnel was wanted and down.
type Outage struct {
	Began    time.Time    `json:"began"`
	Ended    time.Time    `json:"ended"`
	Attempts int          `json:"attempts"` // that failed meanwhile
	Why      foreign.Text `json:"why"`      // what began it
}

// outageLocked notes that an outage begins. lost: there was a session, whose end is the cause; a lazy tunnel that wakes up
// has lost none.
func (m *Monitor) outageLocked(now time.Time, lost bool) {
	m.downAt, m.tries, m.cause, m.lost = now, 0, foreign.Text{}, lost
	if lost && m.failure != nil {
		m.cause = m.failure.Text
	}
}

// isOutageLocked reports whether the time since downAt is an outage: the first connection of all is none where it is made at once.
func (m *Monitor) isOutageLocked() bool { return m.lost || m.tries > 0 }

// recoveredLocked notes that an outage is over.
func (m *Monitor) recoveredLocked(state State, now time.Time) {
	m.counts.outage += now.Sub(m.downAt)
	if m.isOutageLocked() {
		m.history.down(m.downAt, now)
	}
	if state.Carries() && m.isOutageLocked() {
		m.lastOutage = &Outage{Began: m.downAt, Ended: now, Attempts: m.tries, Why: m.cause}
		m.history.over(*m.lastOutage)
	}
	m.downAt = time.Time{}
}
