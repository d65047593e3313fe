package config

import (
	"strings"

	"github.com/tunneld/tunneld/config/escape"
)

// SessionOptions is what a session on the connection is to be like, for whoever opens one.
type SessionOptions struct {
	Type         string   // default, none, or subsystem (-s)
	Terminal     string   // RequestTTY: auto, true, false, or force
	Command      string   // RemoteCommand with tokens expanded; empty: none
	StdinNull    bool     // standard input is not read
	Escape       byte     // EscapeChar; 0: none
	SendEnv      []string // patterns of names of variables to send
	SetEnv       []string // NAME=value
	LogLevel     string   // how much ssh would say: QUIET to DEBUG3
	ForwardAgent bool
	AgentSocket  string   // path of the agent to forward, with tokens expanded; empty: that of IdentityAgent
	Stdio        Endpoint // -W: what standard input and output are connected to; zero: not asked for
}

func fillEscape(r *resolver, o *Options) {
	value := r.doc.value("EscapeChar")
	for c := range 256 {
		if escape.Visible(byte(c)) == value {
			o.Session.Escape = byte(c)
		}
	}
}

func fillAgentForwarding(r *resolver, o *Options) {
	o.Session.ForwardAgent, o.Session.AgentSocket = r.yes("ForwardAgent"), r.doc.value(forwardedSocket)
	o.Session.Stdio = r.stdio
}

// escapeFlag is -e, of which the last one holds.
func (r *resolver) escapeFlag(text string) string {
	value, ok := escape.Text(text)
	if !ok {
		return "want one character, ^ and a letter, or none"
	}
	r.doc.replace("EscapeChar", value, commandLine)
	return ""
}

func (r *resolver) subsystemFlag(string) string {
	if r.doc.is("SessionType", "none") {
		return "not together with -N"
	}
	r.doc.replace("SessionType", "subsystem", commandLine)
	return ""
}

// stdioFlag is -W: no session, and where nobody says otherwise no other forwards.
func (r *resolver) stdioFlag(text string) string {
	if r.stdio != (Endpoint{}) {
		return "only one -W is allowed"
	}
	if strings.HasPrefix(text, "/") {
		r.stdio.Path = text
	} else if f, ok := parseForward(Dynamic, text, r.env.Getenv); ok && f.Listen.HostSet && f.Listen.Host != "" {
		r.stdio = f.Listen
	} else {
		return "want host:port, or the path of a socket"
	}
	r.doc.replace("RequestTTY", "false", commandLine)
	r.doc.replace("SessionType", "none", commandLine)
	return ""
}

// stdioDefaults is what -W leaves to be overruled.
func (r *resolver) stdioDefaults() {
	if r.stdio != (Endpoint{}) {
		r.doc.set("ExitOnForwardFailure", "yes", commandLine)
		r.doc.set("ClearAllForwardings", "yes", commandLine)
	}
}
