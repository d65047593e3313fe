package monitor

import "time"

// Nudge says that something happened which may have changed the way to the server: a session is probed at once, a wait is
// cut short, an attempt older than two seconds is restarted. It does not block. Nudges that come faster than they are
// dealt with are one nudge.
func (m *Monitor) Nudge(reason string) { m.nudge(nudge{why: reason}) }

// Resumed says that the machine slept for so long. It is a nudge after which a session has one ServerAliveInterval to answer,
// because the server may have given it up long ago.
func (m *Monitor) Resumed(slept time.Duration) {
	m.nudge(nudge{why: "slept " + Round(slept).String(), strict: true})
}

type nudge struct {
	why    string
	strict bool // one unanswered interval is death
}

func (m *Monitor) nudge(k nudge) {
	m.annexes.hurry()
	for l := range m.everySlot {
		if k.strict {
			select { // makes room: a strict one says more
			case <-l.nudge:
			default:
			}
		}
		select {
		case l.nudge <- k:
		default:
		}
	}
}
