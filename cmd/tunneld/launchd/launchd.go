// Package launchd writes the agent of macOS's launchd(8) that keeps the tunnels of an alias up (launchd.plist(5)).
package launchd

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"
)

// Agent is one of a user.
type Agent struct {
	Program string // path of this program
	Alias   string
	Home    string // whose agent it is
}

// drain is what the end of the program may take, in seconds: TunneldDrain and a little more, as in systemd's unit.
const drain = 30

// throttle is the least time between two starts, in seconds: launchd cannot tell an error that stays from one that passes.
const throttle = 10

// Label returns the name under which launchd knows the agent, and its file without .plist. Of the alias it has what no shell and no file
// system minds.
func (a Agent) Label() string {
	safe := strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || r == '@' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' || r >= 0x80 {
			return r
		}
		return '_'
	}, a.Alias)
	return "tunneld." + safe
}

// LogPath returns the file that the log goes to. launchd makes no directories: this one is there for every user.
func (a Agent) LogPath() string { return filepath.Join(a.Home, "Library/Logs", a.Label()+".log") }

// Plist returns the agent's file. It is started at each login, and again when it has ended by itself; after `tunneld down`, which ends it
// with 0, it stays down.
func (a Agent) Plist() []byte {
	var out bytes.Buffer
	out.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
`)
	fmt.Fprintf(&out, "\t<key>Label</key>\n\t%s\n", text(a.Label()))
	out.WriteString("\t<key>ProgramArguments</key>\n\t<array>\n")
	for _, word := range []string{a.Program, "up", "--", a.Alias} {
		fmt.Fprintf(&out, "\t\t%s\n", text(word))
	}
	out.WriteString("\t</array>\n\t<key>RunAtLoad</key>\n\t<true/>\n")
	out.WriteString("\t<key>KeepAlive</key>\n\t<dict>\n\t\t<key>SuccessfulExit</key>\n\t\t<false/>\n\t</dict>\n")
	fmt.Fprintf(&out, "\t<key>ThrottleInterval</key>\n\t<integer>%d</integer>\n", throttle)
	fmt.Fprintf(&out, "\t<key>ExitTimeOut</key>\n\t<integer>%d</integer>\n", drain)
	fmt.Fprintf(&out, "\t<key>ProcessType</key>\n\t%s\n", text("Interactive")) // others get less of the network and the processor
	fmt.Fprintf(&out, "\t<key>StandardErrorPath</key>\n\t%s\n", text(a.LogPath()))
	out.WriteString("</dict>\n</plist>\n")
	return out.Bytes()
}

// text returns a string of a property list.
func text(s string) string {
	var out strings.Builder
	out.WriteString("<string>")
	xml.EscapeText(&out, []byte(s)) // a Builder takes all
	out.WriteString("</string>")
	return out.String()
}
