package monitor

// State is what a slot does, and of a tunnel the best that any of its slots does.
//
//	                    made                missed probe, failing echo
//	 Idle ---> Connecting ---> Up ------------------------------------> Suspect
//	  ^  wanted  |  ^   ^      | ^ <------------------------------------- |  |
//	  |          |  |   |      | |           any byte, good echo          |  |
//	  |          |  |   |      | +----------------------------------------+  |
//	  |   failed |  |   +------|---- replaced: a new session is up -- (Up)   |
//	  |          |  |          |                                             |
//	  |          |  +--- lost, nothing to wait for -------------------------+|
//	  |          v             |                                             |
//	  |        Waiting <-------+---------------------------------------------+
//	  |          |  ^ |
//	  |          |  +-+ nudge, reconnect or time: Connecting
//	  +----------+ nobody wants it any more (TunneldLazy)
//
//	any state ---> Stopped   asked to stop; final
//	Connecting ---> Failed   an error that only a person can mend; final, except that a failed slot of a tunnel whose
//	                         other slots live tries again on Reconnect
//
// A wait of no length is passed over: Up or Connecting go to Connecting. A planned replacement (Reconnect,
// TunneldMaxLifetime, a certificate that ends, a failing data path) makes the new session while the old one stays Up or
// Suspect, so that it shows in no state at all; Status.Replacing tells of it.
//
// A snapshot promises: Up and Suspect mean that a session carries new connections; all other states mean that local
// connections are held. It does not promise that the next byte arrives: Up means that the last thing heard of the server
// is younger than one probe.
type State string

// The states of a slot and of a tunnel.
const (
	Idle       State = "idle"       // not wanted yet, or disconnected because nobody used it
	Connecting State = "connecting" // an attempt runs
	Up         State = "up"         // a session is established and answers
	Suspect    State = "suspect"    // a session is established and has not answered a probe; it still carries traffic
	Waiting    State = "waiting"    // until the next attempt
	Failed     State = "failed"     // ended by an error that only a person can mend
	Stopped    State = "stopped"    // ended because it was asked to
)

// Carries reports whether new connections are served in this state.
func (s State) Carries() bool { return s == Up || s == Suspect }

// lives reports whether a session is held or sought in this state.
func (s State) lives() bool { return s.Carries() || s == Connecting || s == Waiting }

// rank orders states from worst to best.
func (s State) rank() int {
	for i, other := range [...]State{Stopped, Failed, Idle, Waiting, Connecting, Suspect, Up} {
		if s == other {
			return i
		}
	}
	return -1
}
