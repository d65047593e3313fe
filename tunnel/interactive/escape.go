package interactive

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// escapes finds the escape character at the beginning of lines, and does what is asked for behind it (ssh(1), ESCAPE
// CHARACTERS). The zero value of char finds nothing.
type escapes struct {
	session   *session
	char      byte
	lineStart bool
	pending   bool // the last byte was the escape character
}

const ctrlZ = 'Z' & 31

// filter returns what is left of typed for the server, in typed's own memory where it can. left reports that the person
// wants to end the session.
func (e *escapes) filter(typed []byte) (data []byte, left bool) {
	if e.char == 0 {
		return typed, false
	}
	data = make([]byte, 0, len(typed)+1)
	for _, c := range typed {
		switch {
		case e.pending:
			e.pending = false
			if c == '.' {
				if !e.session.request.Shared {
					e.session.sayLast(string(e.char) + ".\r\n")
				}
				return data, true
			}
			if e.act(c) {
				continue
			}
			if c != e.char {
				data = append(data, e.char)
			}
		case e.lineStart && c == e.char:
			e.pending = true
			continue
		}
		e.lineStart = c == '\r' || c == '\n'
		data = append(data, c)
	}
	return data, false
}

// act does what c stands for behind the escape character. It reports whether it stands for anything.
func (e *escapes) act(c byte) bool {
	s := e.session
	switch c {
	case '?':
		s.say(e.help())
	case '#':
		s.say(e.connections())
	case 'B':
		s.say(string(e.char) + "B\r\n")
		s.channel.SendRequest("break", false, ssh.Marshal(struct{ Milliseconds uint32 }{1000})) // RFC 4335
	case ctrlZ:
		if s.request.Suspend == nil {
			s.say(e.missing("^Z"))
			return true
		}
		s.say(string(e.char) + "^Z [suspend]\r\n")
		s.suspend()
	case '&', 'C', 'R', 'V', 'v':
		s.say(e.missing(string(c)))
	default:
		return false
	}
	return true
}

func (e *escapes) missing(name string) string {
	if e.session.request.Shared {
		return fmt.Sprintf("%c%s escape not available to multiplexed sessions\r\n", e.char, name)
	}
	return fmt.Sprintf("%c%s escape is not supported by tunneld\r\n", e.char, name)
}

// help is what ~? shows: ssh's own words for what there is.
func (e *escapes) help() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%c?\r\nSupported escape sequences:\r\n", e.char)
	for _, line := range []struct {
		key, does string
		there     bool
	}{
		{".", "terminate connection (and any multiplexed sessions)", e.session.request.Suspend != nil},
		{".", "terminate session", e.session.request.Suspend == nil},
		{"B", "send a BREAK to the remote system", true},
		{"^Z", "suspend", e.session.request.Suspend != nil},
		{"#", "list forwarded connections", true},
		{"?", "this message", true},
		{string(e.char), "send the escape character by typing it twice", true},
	} {
		if line.there {
			fmt.Fprintf(&text, " %c%-3s - %s\r\n", e.char, line.key, line.does)
		}
	}
	text.WriteString("(Note that escapes are only recognized immediately after newline.)\r\n")
	return text.String()
}

func (e *escapes) connections() string {
	text := fmt.Sprintf("%c#\r\nThe following connections are open:\r\n", e.char)
	if list := e.session.request.Connections; list != nil {
		for _, line := range list() {
			text += "  " + line.String() + "\r\n"
		}
	}
	return text
}
