package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/tunneld/tunneld/config/numeral"
)

const maxConnections = 64

// Setting is one of tunneld's own keywords. A file shared with ssh needs the line "IgnoreUnknown Tunneld*" before them, which
// makes no difference here.
type Setting struct {
	Keyword string
	Default string // as it is printed where nobody sets it
	Meaning string // one line, with `names` in back quotes
}

// Settings returns tunneld's own keywords, for manuals.
func Settings() []Setting {
	var all []Setting
	for _, k := range table() {
		if k.isOwn() {
			all = append(all, Setting{k.name, strings.Join(k.initial, " "), k.meaning})
		}
	}
	return all
}

// ownTime takes a time that is not less than least, or the word off.
func ownTime(name, wants string, least time.Duration, off string) keyword {
	return keyword{name: name, print: scalar, wants: wants, parse: func(l *line) *Error {
		word := l.next()
		if word == "" {
			return l.missing()
		}
		if off != "" && lower(word) == off {
			l.set(name, off)
			return nil
		}
		value, ok := parseTime(word)
		if !ok || value < least {
			return l.bad(word)
		}
		l.set(name, timeText(value))
		return nil
	}}
}

// parseTime reads a time as ssh does ("90", "1m30s"), and fractions of a second as Go does ("250ms").
func parseTime(word string) (time.Duration, bool) {
	if value, ok := numeral.Seconds(word); ok {
		return time.Duration(value) * time.Second, true
	}
	value, err := time.ParseDuration(word)
	return value, err == nil && value >= 0
}

// timeText writes a time in the shortest form that parseTime reads: "1m30s", "0s".
func timeText(value time.Duration) string {
	text := value.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// hook takes a command of tunneld's own, in which the tokens of LocalCommand stand for what they stand for there.
func hook(name string, field func(*Options) *string) keyword {
	return command(name).or("none").offers("none").fills(func(r *resolver, o *Options) {
		if lower(r.doc.value(name)) != "none" {
			r.used(name, r.tokens(r.host, r.keyAlias()), nil, field(o))
		}
	})
}

func parseEcho(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	value := lower(word)
	if value == "no" {
		value = "off"
	}
	if _, ok := echoOf(value); !ok {
		return l.bad(word)
	}
	l.set("TunneldEcho", value)
	return nil
}

// echoOf reads the value of TunneldEcho.
func echoOf(value string) (Echo, bool) {
	switch value {
	case "auto":
		return Echo{Mode: EchoAuto}, true
	case "off":
		return Echo{Mode: EchoOff}, true
	}
	mode := EchoPort
	if service, ok := strings.CutPrefix(value, "service:"); ok {
		mode, value = EchoService, service
	}
	port, ok := numeral.Port(value)
	return Echo{mode, port}, ok && port > 0
}

func parseConnections(l *line) *Error {
	word := l.next()
	value, ok := numeral.Whole(word, maxConnections)
	if !ok || value < 1 {
		return l.bad(word)
	}
	l.set("TunneldConnections", strconv.Itoa(int(value)))
	return nil
}

func (r *resolver) fillEcho(o *Options) { o.Echo, _ = echoOf(r.doc.value("TunneldEcho")) }
