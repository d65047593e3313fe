package monitor

import (
	"time"

	"github.com/tunneld/tunneld/config/foreign"
)

// Outage is a time in which a tunnel was wanted and down.
type Outage struct {
	Began    time.Time    `json:"began"`
	Ended    time.Time    `json:"ended,omitzero"` // zero: it goes on
	Attempts int          `json:"attempts"`       // that failed meanwhile
	Why      foreign.Text `json:"why"`            // what began it
	Count    int          `json:"count,omitzero"` // how many it stands for, that had one cause within 5 min; 0: one
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
	if o := m.runningLocked(); o != nil {
		o.Ended = now
		m.history.over(*o)
		if state.Carries() {
			m.lastOutage = o
		}
	}
	m.downAt = time.Time{}
}

// runningLocked returns the outage that goes on; nil: none does.
func (m *Monitor) runningLocked() *Outage {
	if m.downAt.IsZero() || !m.isOutageLocked() {
		return nil
	}
	return &Outage{Began: m.downAt, Attempts: m.tries, Why: m.cause}
}
