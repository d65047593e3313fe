package interactive

import (
	"os"
	"strings"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/config/sshpattern"
)

// NoTerminal is what ssh says where a terminal is asked for on a standard input that is none.
const NoTerminal = "Pseudo-terminal will not be allocated because stdin is not a terminal."

// For returns what the options ask for. command is what stood behind the destination, in will be Files.In, environ is
// our environment. A note, where it is not empty, is for the person who asked. The error is a *config.Error.
//
// A session of type none is for the caller to look at: there is nothing to run then.
func For(o *config.Options, command string, in *os.File, environ []string) (r Request, note string, err error) {
	s := o.Session
	r = Request{
		Command: command, Subsystem: s.Type == "subsystem",
		Env: environment(s, environ), Term: term(s, environ),
		Raw: true, Escape: s.Escape, Agent: s.ForwardAgent,
		NoInput: s.StdinNull, Suspend: SuspendProcess,
	}
	switch {
	case r.Subsystem && command == "":
		return r, "", &config.Error{Source: o.Source("SessionType"), Text: "the name of a subsystem is missing"}
	case s.Command != "" && command != "":
		return r, "", &config.Error{
			Source: o.Source("RemoteCommand"), Text: "RemoteCommand: not together with a command behind the destination",
			Hint: "add -o RemoteCommand=none",
		}
	case command == "":
		r.Command = s.Command
	}
	forced := s.Terminal == "force"
	r.Terminal = forced || s.Terminal == "true" || s.Terminal != "false" && r.Command == ""
	if r.Terminal && !forced && (s.StdinNull || !IsTerminal(in)) {
		r.Terminal, note = false, NoTerminal
	}
	switch s.LogLevel {
	case "QUIET", "FATAL", "ERROR":
		return r, "", nil
	}
	r.Host = foreign.Own(o.HostName).String()
	return r, note, nil
}

// environment returns what is sent of environ, and what is set, in ssh's order.
func environment(s config.SessionOptions, environ []string) (list []string) {
	for _, pair := range environ {
		name, _, ok := strings.Cut(pair, "=")
		for _, pattern := range s.SendEnv {
			if ok && sshpattern.MatchPattern(name, pattern) {
				list = append(list, pair)
				break
			}
		}
	}
	return append(list, s.SetEnv...)
}

// term returns the terminal's type: SetEnv's, or ours.
func term(s config.SessionOptions, environ []string) string {
	for _, list := range [][]string{s.SetEnv, environ} {
		for _, pair := range list {
			if value, ok := strings.CutPrefix(pair, "TERM="); ok {
				return value
			}
		}
	}
	return ""
}
