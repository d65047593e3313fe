package monitor

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// ReportVersion is the version of the JSON shape of Report and of all within it. It changes when a field changes its
// meaning or goes away; new fields may come at any time.
const ReportVersion = 1

// Report is what /status and `tunneld status --json` give: the tunnels of one process, or of several put together.
//
// Times are RFC 3339. Fields whose name ends in _seconds are numbers with a fraction. A time that does not apply is left
// out. "in" is from the server, "out" is to the server. Counters only grow, from the start of the process.
type Report struct {
	Version int       `json:"version"`           // ReportVersion
	Time    time.Time `json:"time"`              // when it was made
	Machine string    `json:"machine,omitempty"` // its host name
	Program string    `json:"program,omitempty"` // the version of tunneld; empty where several processes were asked
	Tunnels []Status  `json:"tunnels"`
}

// NewReport puts together what some monitors say now. program is the version of the program.
func NewReport(program string, monitors []*Monitor) Report {
	machine, _ := os.Hostname()
	r := Report{Version: ReportVersion, Time: time.Now(), Machine: foreign.Line(machine).String(), Program: program, Tunnels: []Status{}}
	for _, m := range monitors {
		r.Tunnels = append(r.Tunnels, m.Status())
	}
	return r
}

// Status is a snapshot of one tunnel: what State promises, and counters that are each exact but not of one instant.
type Status struct {
	Name      string    `json:"name"`
	Owner     string    `json:"owner,omitempty"` // the user whose process it is, where root is shown another one's; set by who asks
	Alias     string    `json:"alias"`           // the host as typed
	State     State     `json:"state"`           // the best of any session
	Since     time.Time `json:"since"`           // of this state
	Why       string    `json:"why,omitempty"`
	Lazy      bool      `json:"lazy"` // connects on first use: idle is fine
	Began     time.Time `json:"began"`
	DownSince time.Time `json:"down_since,omitzero"` // since when it has been wanted and down

	Server     Server    `json:"server"`      // of the best session; without one, as configured
	RTT        Seconds   `json:"rtt_seconds"` // of its last keepalive; 0: none was answered yet
	EchoRTT    Seconds   `json:"echo_rtt_seconds"`
	EchoVoid   string    `json:"echo_unavailable,omitempty"` // why its data path cannot be probed; empty: it is, or nobody wants it
	RecentRTTs []Seconds `json:"recent_rtts_seconds"`        // of its last keepalives, at most 60, oldest first

	Reconnects   uint64    `json:"reconnects"`                   // sessions made after one was lost
	Replacements uint64    `json:"replacements"`                 // sessions made beside one that was then retired
	Attempts     int       `json:"attempts"`                     // that failed since the last session
	RetryAt      time.Time `json:"retry_at,omitzero"`            // of the next attempt, while waiting
	LastError    *Failure  `json:"last_error,omitempty"`         // of the last attempt or session that failed, however long ago
	LastOutage   *Outage   `json:"last_outage,omitempty"`        // that is over
	Events       []Event   `json:"events,omitempty"`             // the last three, oldest first
	Drain        Seconds   `json:"drain_seconds"`                // how long open connections may go on when it is stopped
	Kept         string    `json:"configuration_kept,omitempty"` // why it does not live by what the configuration says now; empty: it does
	Missing      []string  `json:"missing,omitempty"`            // what Unready returns; none: it serves everything it was asked to

	Sessions []SessionStatus `json:"sessions"`               // each of TunneldConnections, then those that are being retired
	Forwards []ForwardStatus `json:"forwards"`               // in the order of the configuration
	Master   *Master         `json:"control_path,omitempty"` // nil: nobody wants it

	Open      int64     `json:"open"`                // connections open now
	Held      int64     `json:"held"`                // local connections that wait for a session
	HeldSince time.Time `json:"held_since,omitzero"` // when the oldest of them came
	BytesIn   uint64    `json:"bytes_in"`            // on the wire, with all that SSH adds
	BytesOut  uint64    `json:"bytes_out"`           //
	RateIn    float64   `json:"rate_in"`             // bytes a second on the wire, over the last two seconds
	RateOut   float64   `json:"rate_out"`            //
}

// Server is who is at the other end of a session. What is not known is empty.
type Server struct {
	User        string   `json:"user"`
	Host        string   `json:"host"` // as configured
	Port        int      `json:"port"`
	Address     string   `json:"address,omitempty"` // the IP address and port that were reached
	Version     string   `json:"version,omitempty"` // of its software, as it says
	Kex         string   `json:"kex,omitempty"`
	Cipher      string   `json:"cipher,omitempty"`
	MAC         string   `json:"mac,omitempty"` // empty where the cipher needs none
	HostKey     string   `json:"host_key,omitempty"`
	Fingerprint string   `json:"fingerprint,omitempty"`
	Via         []string `json:"via,omitempty"` // jump hosts, nearest first
}

// Master is the ControlPath of a tunnel that is a ControlMaster.
type Master struct {
	Path  string      `json:"path"`
	State MasterState `json:"state"`
	Error string      `json:"error,omitempty"` // why nobody can ride; empty where it listens
}

// MasterState is what there is at a ControlPath, as of a few seconds ago at most.
type MasterState string

// The states of a ControlPath.
const (
	MasterListening MasterState = "listening" // ssh and others find the tunnel there
	MasterTaken     MasterState = "taken"     // it is another program's; tried again
	MasterStopped   MasterState = "stopped"   // given up because a client asked for that (ssh -O stop), until a reload
	MasterFailed    MasterState = "failed"    // there can be no socket; tried again
)

// Failure is an error that a person may want to read.
type Failure struct {
	Time  time.Time    `json:"time"`
	Phase fault.Phase  `json:"phase,omitempty"`
	Text  foreign.Text `json:"text"`
	Hint  string       `json:"hint,omitempty"` // what to do; empty: nothing is known
}

// SessionStatus is one of TunneldConnections, or a session that is being retired.
type SessionStatus struct {
	Slot       int       `json:"slot"` // from 1; 0: a further connection, for sessions alone, because of the server's MaxSessions
	State      State     `json:"state"`
	Since      time.Time `json:"since"`
	Why        string    `json:"why,omitempty"`
	Retiring   bool      `json:"retiring"`            // replaced: only its open connections go on
	Replacing  string    `json:"replacing,omitempty"` // why a new one is being made beside it
	Attempts   int       `json:"attempts"`            // that failed since the last session
	RetryAt    time.Time `json:"retry_at,omitzero"`   //
	UpSince    time.Time `json:"up_since,omitzero"`   // the fields from here on are of its connection
	Took       Seconds   `json:"took_seconds"`        // to connect
	Server     *Server   `json:"server,omitempty"`
	RTT        Seconds   `json:"rtt_seconds"`
	EchoRTT    Seconds   `json:"echo_rtt_seconds"`
	EchoVoid   string    `json:"echo_unavailable,omitempty"`
	RecentRTTs []Seconds `json:"recent_rtts_seconds,omitempty"`
	Open       int       `json:"open"` // channels
	BytesIn    uint64    `json:"bytes_in"`
	BytesOut   uint64    `json:"bytes_out"`
	Expires    time.Time `json:"certificate_expires,omitzero"`
}

// ForwardStatus is one -L, -R, -D or TunneldDNS.
type ForwardStatus struct {
	Kind   string              `json:"kind"` // L, R, D or TunneldDNS
	Spec   string              `json:"spec"` // as a person types it: -L 8080:db:5432
	State  tunnel.ForwardState `json:"state"`
	Bound  []string            `json:"bound"`  // addresses that listen
	Target string              `json:"target"` // SOCKS where the client says it
	tunnel.Carried
	RateIn    float64   `json:"rate_in"` // bytes a second over the last two seconds
	RateOut   float64   `json:"rate_out"`
	LastError string    `json:"last_error,omitempty"`
	FailedAt  time.Time `json:"last_error_time,omitzero"` // of LastError
	Added     bool      `json:"added,omitempty"`          // while the tunnel runs (`tunneld forward`, ssh -O forward); it is not in the configuration
	HeldSince time.Time `json:"held_since,omitzero"`      // when the oldest of those that are held came
	Limit     string    `json:"limit,omitempty"`          // which bound makes connections wait, or be refused, now or a moment ago
}

// Seconds is a duration that JSON shows as a number of seconds.
type Seconds time.Duration

// MarshalJSON returns seconds with a fraction of up to nine digits.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	var seconds float64
	if err := json.Unmarshal(text, &seconds); err != nil {
		return err
	}
	const most = float64(math.MaxInt64 - 1<<10) // what lies beyond has no defined value as an integer
	*s = Seconds(max(-most, min(most, seconds*float64(time.Second))))
	return nil
}

// Title returns the name, and whose it is.
func (s Status) Title() string {
	if s.Owner == "" {
		return s.Name
	}
	return fmt.Sprintf("%s (%s)", s.Name, s.Owner)
}

// Summary returns the state in one line without the name, as systemd's STATUS= shows it: with times of day, because it is not
// told anew each second.
func (s Status) Summary() string {
	text := fmt.Sprintf("%s, %s@%s:%d", s.State, s.Server.User, s.Server.Host, s.Server.Port)
	if s.Why != "" {
		text = fmt.Sprintf("%s: %s", s.State, s.Why)
	}
	if !s.DownSince.IsZero() && (s.Attempts > 0 || s.LastError != nil) {
		text += "; down since " + s.DownSince.Format(time.TimeOnly)
	}
	if s.State == Waiting && !s.RetryAt.IsZero() {
		text += fmt.Sprintf("; attempt %d at %s", s.Attempts+1, s.RetryAt.Format(time.TimeOnly))
	}
	if s.Held > 0 {
		text += fmt.Sprintf("; %d held", s.Held)
	}
	if o := s.LastOutage; o != nil && s.State.Carries() {
		text += fmt.Sprintf("; last outage %s until %s: %s", Round(o.Ended.Sub(o.Began)), o.Ended.Format(time.DateTime), o.Why)
	}
	return text
}

// Troubles returns Summary, and which forwards have failed.
func (s Status) Troubles() string {
	text := s.Summary()
	for _, f := range s.Forwards {
		if f.State == tunnel.ForwardFailed {
			text += fmt.Sprintf("; %s does not listen", f.Spec)
		}
	}
	return text
}

// Unready returns what keeps the tunnel from serving everything it was asked to, one reason a line; none: it is ready. A
// forward has to listen, or to be in one of the states that are fine as well.
func (s Status) Unready(fine ...tunnel.ForwardState) []string {
	var reasons []string
	if !s.State.Carries() && !(s.State == Idle && s.Lazy) {
		reason := fmt.Sprintf("%s: %s", s.Name, s.State)
		if s.Why != "" {
			reason += ": " + s.Why
		}
		reasons = append(reasons, reason)
	}
	for _, f := range s.Forwards {
		if f.Limit != "" {
			reasons = append(reasons, fmt.Sprintf("%s: %s: %s", s.Name, f.Spec, f.Limit))
			continue
		}
		if f.State == tunnel.ForwardListening || slices.Contains(fine, f.State) {
			continue
		}
		reason := fmt.Sprintf("%s: %s: %s", s.Name, f.Spec, f.State)
		if f.LastError != "" {
			reason += ": " + f.LastError
		}
		reasons = append(reasons, reason)
	}
	return reasons
}
