package config

import (
	"context"
	"net"

	"github.com/tunneld/tunneld/config/quiet"
)

// Flag is one option of ssh(1) from the command line.
type Flag struct {
	Letter byte   // 'L' for -L
	Value  string // empty for options without an argument
}

// Request is what a person typed.
type Request struct {
	Destination string // ALIAS, user@host, or ssh://[user@]host[:port]
	Flags       []Flag // of ssh(1), in the order given; a letter that a tunnel does not take is a mistake
	Environment Environment

	// Inspect is for showing a configuration instead of using it. Resolve then follows `ssh -G` to the letter: mistakes that only
	// keep a tunnel from running become Warnings, and jump hosts that cannot be resolved leave Via nil.
	Inspect bool

	// Session says that a session is opened besides the forwards, or -W asked for: what concerns it is honoured then.
	Session bool

	// Command is what the server is asked to run, or with -s the name of a subsystem, as typed behind the destination: "Match command"
	// and "Match sessiontype" look at it. Empty: none.
	Command string

	// FlagsBefore is how many of Flags stood before Destination. Of user@host and -l, of ssh://host:port and -p, the one
	// that came first wins.
	FlagsBefore int

	Quiet *quiet.Lines // shared by requests that differ in Destination alone; may be nil
}

// Exec returns the exit status of a command of "Match exec": of run, which runs it, or of an earlier run of the same.
type Exec func(ctx context.Context, command string, run func(context.Context) (int, error)) (int, error)

// Environment is what Resolve depends on besides files: who we are and where our files are. CurrentEnvironment takes it from the
// process; tests fill it in by hand.
type Environment struct {
	Home       string                      // home directory of the password database, as ssh takes it (not $HOME); "~" and ~/.ssh
	LocalUser  string                      // login name; %u
	UID        int                         // %i, and whom files must belong to
	Service    bool                        // of the service manager: hints are for root (Account)
	HostName   string                      // this machine's; %l and %L
	Getenv     func(string) (string, bool) // for ${VAR}; as os.LookupEnv
	UserFile   string                      // ~/.ssh/config
	SystemFile string                      // /etc/ssh/ssh_config
	Resolver   *net.Resolver               // for CanonicalizeHostname; nil: the machine's
	LookingUp  func(name string)           // called before CanonicalizeHostname has a name looked up, which can take long; nil: nobody wants to know
	Exec       Exec                        // nil: each command of "Match exec" is run
	Once       *Once                       // what came through a pipe; nil: it is remembered for one Resolve alone
}
