package autossh

import "time"

// The statuses of ssh(1) that the rules know.
const (
	StatusOK     = 0   // the session ended, or ssh was told to end
	StatusError  = 1   // of a remote command
	StatusSetup  = 2   // of a remote command, and of old ssh where forwards failed
	StatusFailed = 255 // connecting, authentication, a refused forward with ExitOnForwardFailure, a lost connection
)

// End is how an ssh came to its end.
type End struct {
	Cause  Cause
	Status int           // of CauseExit: 0..255; of CauseSignal: the number of the signal
	Starts int           // of ssh so far, this one included
	Free   int           // of these, those that take nothing of AUTOSSH_MAXSTART
	Took   time.Duration // from its start to its end
	Age    time.Duration // of autossh
}

// Cause is what ended an ssh.
type Cause int

// The causes.
const (
	CauseExit    Cause = iota // it ended by itself, with Status
	CauseSignal               // a signal killed it
	CauseRestart              // autossh ended it: SIGUSR1, or a test that failed
)

// Verdict is what follows from an end: another start after Wait, or autossh's own exit.
type Verdict struct {
	Exit bool          // autossh exits with Code
	Code int           // 0 or 1
	Wait time.Duration // before the next start; 0: at once
	Log  []Entry       // what autossh logs of it, in its order
}

// Restarts applies autossh's rules to one end after the other. It is for one goroutine.
type Restarts struct {
	name     string
	settings Settings
	tries    int // ends in a row that came soon after the start
}

// NewRestarts returns the rules for what was typed.
func NewRestarts(c *Command) *Restarts { return &Restarts{name: c.Name, settings: c.Settings} }

// First returns whether ssh is started at all.
func (r *Restarts) First() Verdict {
	if r.settings.MaxStart == 0 {
		return Verdict{Exit: true, Log: []Entry{maxStartReached()}}
	}
	return Verdict{Log: []Entry{graceCheck(0)}}
}

// Next returns what follows from an end (ssh_wait and ssh_run in autossh.c).
func (r *Restarts) Next(e End) Verdict {
	v := r.judge(e)
	switch {
	case v.Exit:
		return v
	case r.settings.MaxStart >= 0 && e.Starts-e.Free >= r.settings.MaxStart:
		return v.exit(0, maxStartReached())
	case r.settings.Over(e.Age):
		return v.exit(0, lifetimeOver())
	}
	r.grace(e.Took, &v)
	return v
}

// judge decides on the end alone.
func (r *Restarts) judge(e End) Verdict {
	var v Verdict
	first := e.Starts == 1 && r.settings.GateTime != 0
	switch {
	case e.Cause == CauseRestart:
		return v
	case e.Cause == CauseSignal:
		return v.say(endedOnSignal(e.Status))
	case first && e.Took <= r.settings.GateTime:
		return v.exit(1, endedEarly(r.name, e.Status))
	case e.Status == StatusOK:
		return v.exit(0, endedExiting(r.name, e.Status))
	case e.Status == StatusFailed, !first && (e.Status == StatusError || e.Status == StatusSetup):
		return v.say(endedRestarting(e.Status))
	}
	return v.exit(1, endedExiting(r.name, e.Status))
}

func (v Verdict) say(e Entry) Verdict {
	v.Log = append(v.Log, e)
	return v
}

func (v Verdict) exit(code int, e Entry) Verdict {
	v.Exit, v.Code = true, code
	return v.say(e)
}

const (
	freeRestarts = 5                // without a wait
	leastUptime  = 10 * time.Second // at least so long must an ssh have run to start the count anew
)

// grace sets the wait (grace_time in autossh.c): none for five restarts in a row that followed soon, then POLL/100 · t²/3 seconds
// for t = 1, 2, 3, cut off to whole ones, and POLL at most. An ssh that ran for a tenth of POLL, and 10 s at least, starts anew.
func (r *Restarts) grace(took time.Duration, v *Verdict) {
	poll := wholeSeconds(r.settings.Poll)
	enough := max(time.Duration(poll/10)*time.Second, leastUptime)
	if took >= enough {
		r.tries = 0
	} else {
		r.tries++
	}
	*v = v.say(graceCheck(r.tries))
	if r.tries <= freeRestarts {
		return
	}
	t := float64(r.tries - freeRestarts)
	seconds := min(int64(float64(poll)/100*(t*(t/3))), poll)
	if v.Wait = time.Duration(seconds) * time.Second; v.Wait > 0 {
		*v = v.say(graceSleep(v.Wait))
	}
}

// Over reports whether autossh has lived as long as AUTOSSH_MAXLIFETIME lets it.
func (s Settings) Over(age time.Duration) bool { return s.MaxLifetime > 0 && age >= s.MaxLifetime }

// NextTest returns the time until the next test of the loop, or until the end of the lifetime where that comes before. first is
// the wait after a start; age is autossh's.
func (s Settings) NextTest(first bool, age time.Duration) time.Duration {
	wait := s.Poll
	if first {
		wait = s.FirstPoll
	}
	if left := s.MaxLifetime - age; s.MaxLifetime > 0 && left < s.Poll {
		return max(left, 0)
	}
	return wait
}
