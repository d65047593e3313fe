package monitor

import "time"

// Kick says that something happened which may have changed the way to the server: a session is probed at once, a wait is
// cut short, an attempt of older than two seconds is begun anew. It does not block. Kicks that come faster than they are
// dealt with are one kick.
func (m *Monitor) Kick(reason string) { m.kick(kick{why: reason}) }

// Woke says that the machine slept for so long. It is a kick after which a session has one ServerAliveInterval to answer,
// because the server may have given it up long ago.
func (m *Monitor) Woke(slept time.Duration) {
	m.kick(kick{why: "slept " + Round(slept).String(), strict: true})
}

type kick struct {
	why    string
	strict bool // one unanswered interval is death
}

func (m *Monitor) kick(k kick) {
	for _, l := range m.lanes {
		if k.strict {
			select { // makes room: a strict one says more
			case <-l.kick:
			default:
			}
		}
		select {
		case l.kick <- k:
		default:
		}
	}
}
