package autossh

import (
	"math"
	"path/filepath"
	"time"

	"github.com/tunneld/tunneld/config/foreign"
)

// autossh's defaults and limits.
const (
	defaultPoll     = 600 * time.Second
	defaultGateTime = 30 * time.Second
	defaultNet      = 15 * time.Second
	maxMessage      = 64 // bytes
)

// Settings is what the environment says, with autossh's defaults in place.
type Settings struct {
	Poll        time.Duration // between tests of the loop, and the longest wait before a start; whole seconds, positive
	FirstPoll   time.Duration // from a start to the first test; whole seconds, positive
	NetTimeout  time.Duration // of accepting and of each reading and writing within a test; at most half of Poll
	GateTime    time.Duration // the first ssh that ends within it ends autossh; 0: it never does
	MaxStart    int           // how many starts there may be; negative: any number; 0: not even one
	MaxLifetime time.Duration // after which all ends; 0: never
	Message     string        // at the end of the test line; at most 64 bytes
	LogFile     string        // appended to, instead of syslog; empty: syslog
	LogFileSet  bool          // AUTOSSH_LOGFILE is there; with an empty LogFile it is a refusal: there is no such file
	LogLevel    Level         // messages of a higher level are not logged
	Debug       bool          // AUTOSSH_DEBUG: what goes to syslog goes to standard error too
	PIDFile     string        // empty: none
}

// environment reads the variables in autossh's order, and refuses where it does.
type environment struct {
	getenv  func(string) (string, bool)
	command *Command
	port    string // AUTOSSH_PORT; empty: none
}

func (e *environment) read() *Refusal {
	s := &e.command.Settings
	*s = Settings{Poll: defaultPoll, GateTime: defaultGateTime, NetTimeout: defaultNet, MaxStart: -1, LogLevel: LevelInfo}
	for _, step := range []func(*Settings) *Refusal{
		e.explain, e.logLevel, e.polls, e.gateTime, e.maxStart, e.message, e.lifetime,
	} {
		if refusal := step(s); refusal != nil {
			return refusal
		}
	}
	e.port, _ = e.getenv("AUTOSSH_PORT")
	s.PIDFile, _ = e.getenv("AUTOSSH_PIDFILE")
	s.LogFile, s.LogFileSet = e.getenv("AUTOSSH_LOGFILE")
	return nil
}

// explain says what became of the variables that have no meaning here.
func (e *environment) explain(*Settings) *Refusal {
	c := e.command
	if path, _ := e.getenv("AUTOSSH_PATH"); path != "" && filepath.Base(path) != "ssh" {
		c.Warnings = append(c.Warnings, "AUTOSSH_PATH="+foreign.Own(path).String()+" is not run: no ssh is started. What a wrapper such as sshpass did is done by TunneldPasswordFile for a "+
			"password, by TunneldPassphraseFile or ssh-agent for a passphrase, and by ssh_config or arguments for options")
	}
	if service, _ := e.getenv("AUTOSSH_NTSERVICE"); service != "" {
		c.Warnings = append(c.Warnings, "AUTOSSH_NTSERVICE has no effect, as in every autossh outside Cygwin: let systemd or another service manager start it, with -N")
	}
	return nil
}

func (e *environment) logLevel(s *Settings) *Refusal {
	if _, s.Debug = e.getenv("AUTOSSH_DEBUG"); s.Debug {
		s.LogLevel = LevelDebug
		return nil
	}
	text, ok := e.getenv("AUTOSSH_LOGLEVEL")
	if !ok {
		return nil
	}
	level, valid := unsigned(text)
	if !valid || level < int64(LevelEmergency) || level > int64(LevelDebug) {
		return refuse(`invalid log level "%s"`, foreign.Own(text))
	}
	s.LogLevel = Level(level)
	return nil
}

func (e *environment) polls(s *Settings) *Refusal {
	if text, ok := e.getenv("AUTOSSH_POLL"); ok {
		value, valid := unsigned(text)
		if !valid || value == 0 {
			return refuse(`invalid poll time "%s"`, foreign.Own(text))
		}
		s.Poll = secondsOr(value, defaultPoll)
	}
	s.FirstPoll = s.Poll
	if text, ok := e.getenv("AUTOSSH_FIRST_POLL"); ok {
		value, valid := unsigned(text)
		if !valid || value == 0 {
			return refuse(`invalid first poll time "%s"`, foreign.Own(text))
		}
		s.FirstPoll = secondsOr(value, defaultPoll)
	}
	return nil
}

func secondsOr(value int64, otherwise time.Duration) time.Duration {
	if value < 0 {
		return otherwise
	}
	return time.Duration(value) * time.Second
}

func (e *environment) gateTime(s *Settings) *Refusal {
	text, ok := e.getenv("AUTOSSH_GATETIME")
	if !ok {
		return nil
	}
	value, valid := signed(text)
	if !valid || value < 0 {
		return refuse(`invalid gate time "%s"`, foreign.Own(text))
	}
	s.GateTime = longTime(float64(value))
	return nil
}

func (e *environment) maxStart(s *Settings) *Refusal {
	text, ok := e.getenv("AUTOSSH_MAXSTART")
	if !ok {
		return nil
	}
	long, valid := signed(text)
	value := int(int32(long))
	if !valid || value < -1 {
		return refuse(`invalid max start number "%s"`, foreign.Own(text))
	}
	s.MaxStart = value
	return nil
}

func (e *environment) message(s *Settings) *Refusal {
	s.Message, _ = e.getenv("AUTOSSH_MESSAGE")
	if len(s.Message) > maxMessage {
		return refuse("echo message may only be %d bytes long", maxMessage)
	}
	return nil
}

func (e *environment) lifetime(s *Settings) *Refusal {
	text, ok := e.getenv("AUTOSSH_MAXLIFETIME")
	if !ok {
		return nil
	}
	value, valid := unsignedLong(text)
	if !valid {
		return refuse(`invalid max lifetime "%s"`, foreign.Own(text))
	}
	s.MaxLifetime = longTime(float64(value))
	if s.MaxLifetime == 0 {
		return nil
	}
	if s.Poll > s.MaxLifetime {
		e.command.Startup = append(e.command.Startup, pollLowered(s.MaxLifetime))
		s.Poll = s.MaxLifetime
	}
	if s.FirstPoll > s.MaxLifetime {
		e.command.Startup = append(e.command.Startup, firstPollLowered(s.MaxLifetime))
		s.FirstPoll = s.MaxLifetime
	}
	return nil
}

// longTime is so many seconds; what a Duration cannot hold is the longest one, which is as good as for ever.
func longTime(seconds float64) time.Duration {
	if seconds >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(seconds) * time.Second
}

// settle applies what depends on the arguments, and returns what autossh logs of it.
func (s *Settings) settle(background bool, monitor Monitor) []Entry {
	var log []Entry
	if !monitor.On() {
		log = append(log, monitoringDisabled())
	}
	if s.Poll/2 < s.NetTimeout {
		s.NetTimeout = s.Poll / 2
		log = append(log, shortPoll(s.NetTimeout))
	}
	if background {
		s.GateTime = 0
	}
	return log
}
