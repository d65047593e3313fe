package autossh

import (
	"strings"

	"github.com/tunneld/tunneld/config"
)

// Command is what a person typed, and what the environment adds to it.
type Command struct {
	Name       string // the program's, which is autossh's ident in logs, in its test line and in its messages
	Version    bool   // -V: print the version and exit with 0; then Name alone is set besides
	Background bool   // -f: into the background; Settings.GateTime is 0 then, and standard input is /dev/null

	Destination string        // as typed: an alias, user@host, ssh://user@host:port
	Flags       []config.Flag // for config.Resolve, without what autossh and this package take for themselves
	FlagsBefore int           // how many of Flags stood before Destination

	// RemoteCommand is the words behind Destination, which the server runs joined by blanks; with -s the name of a subsystem. Where
	// there are none, RemoteCommand of ssh_config or a shell runs. All else about the session, -N -n -T -t -s -e -A -W, is in Flags
	// and comes out as config.Options.Session; ssh refuses words together with RemoteCommand, and -s without them.
	RemoteCommand []string

	SSHLog   SSHLog
	Monitor  Monitor
	Settings Settings

	Startup  []Entry  // what autossh logs before the first start, in its order
	Warnings []string // what is accepted and is not done, and what to do instead; a sentence each
}

// Request asks config.Resolve for the destination.
func (c *Command) Request(environment config.Environment) config.Request {
	return config.Request{Destination: c.Destination, Flags: c.Flags, FlagsBefore: c.FlagsBefore, Environment: environment, Session: true,
		Command: strings.Join(c.RemoteCommand, " ")}
}

// SSHLog is where ssh would have written its own messages.
type SSHLog struct {
	File   string // -E; empty: standard error
	Syslog bool   // -y: to syslog instead
}

// Monitor is how the loop through the server runs.
type Monitor struct {
	Port      int  // the write port here, 1..65534, and of the loop the listener at the server; 0: off, or Automatic
	EchoPort  int  // of an echo service at the server, 1..65535; 0: loop back to ReadPort
	Automatic bool // nobody named a port: choose one with ChoosePort, as Debian's wrapper does
}

// On reports whether the loop runs at all.
func (m Monitor) On() bool { return m.Port != 0 || m.Automatic }
