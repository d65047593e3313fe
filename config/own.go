package config

import (
	"strconv"
	"strings"
	"time"
)

// ownDefaults are the values of tunneld's own keywords where nobody sets them.
var ownDefaults = []entry{
	{keyword: "TunneldHold", value: "30s"},
	{keyword: "TunneldEcho", value: "auto"},
	{keyword: "TunneldEchoInterval", value: "1m"},
	{keyword: "TunneldBackoffMax", value: "1m"},
	{keyword: "TunneldConnections", value: "1"},
	{keyword: "TunneldDrain", value: "10s"},
	{keyword: "TunneldMaxLifetime", value: "none"},
	{keyword: "TunneldPassphraseFile", value: "none"},
	{keyword: "TunneldPortFile", value: "none"},
	{keyword: "TunneldLazy", value: "no"},
}

const maxConnections = 64

// ownKeywords are the options that ssh does not have. Files shared with ssh have "IgnoreUnknown Tunneld*" before them; here
// they hold with that line and without.
func ownKeywords() []keyword {
	return []keyword{
		ownTime("TunneldHold", "a time such as 30s, or 0", 0, ""),
		{name: "TunneldEcho", wants: "auto, off, a port, or service:PORT", parse: parseEcho},
		ownTime("TunneldEchoInterval", "a time such as 60s, or 0 for no echo probes", 0, ""),
		ownTime("TunneldBackoffMax", "a time such as 60s", 1, ""),
		{name: "TunneldConnections", wants: "a number from 1 to 64", parse: parseConnections},
		ownTime("TunneldDrain", "a time such as 10s, or 0", 0, ""),
		ownTime("TunneldMaxLifetime", "a time such as 12h, or none", 1, "none"),
		text("TunneldPassphraseFile"),
		text("TunneldPortFile"),
		ownTime("TunneldLazy", "a time such as 10m, or no", 1, "no"),
	}
}

// ownTime takes a time of at least least, or the word off.
func ownTime(name, wants string, least time.Duration, off string) keyword {
	return keyword{name: name, wants: wants, parse: func(l *line) *Error {
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
	if value, ok := seconds(word); ok {
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
	port, ok := portNumber(value)
	return Echo{mode, port}, ok && port > 0
}

func parseConnections(l *line) *Error {
	word := l.next()
	value, ok := wholeNumber(word, maxConnections)
	if !ok || value < 1 {
		return l.bad(word)
	}
	l.set("TunneldConnections", strconv.Itoa(int(value)))
	return nil
}
