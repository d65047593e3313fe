package config

import (
	"math"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/tunneld/tunneld/config/escape"
	"github.com/tunneld/tunneld/config/numeral"
	"github.com/tunneld/tunneld/config/sshpattern"
)

// parseEscapeChar stores the character as vis(3) writes it.
func parseEscapeChar(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	value, ok := escape.Text(word)
	if !ok {
		return l.bad(word)
	}
	l.set("EscapeChar", value)
	return nil
}

// noQoS is the value of "IPQoS none": the kernel's own marking stays.
const noQoS = math.MaxInt32

// qosNames are the names of DSCP values, in the order in which OpenSSH looks for one to print.
var qosNames = []struct {
	name  string
	value int
}{
	{"none", noQoS}, {"af11", 0x28}, {"af12", 0x30}, {"af13", 0x38}, {"af21", 0x48}, {"af22", 0x50}, {"af23", 0x58},
	{"af31", 0x68}, {"af32", 0x70}, {"af33", 0x78}, {"af41", 0x88}, {"af42", 0x90}, {"af43", 0x98}, {"cs0", 0x00},
	{"cs1", 0x20}, {"cs2", 0x40}, {"cs3", 0x60}, {"cs4", 0x80}, {"cs5", 0xa0}, {"cs6", 0xc0}, {"cs7", 0xe0},
	{"ef", 0xb8}, {"le", 0x04},
}

// oldQoS are names of the type of service, which leave the kernel's marking since OpenSSH 10.1.
var oldQoS = []string{"lowdelay", "throughput", "reliability"}

func parseIPQoS(l *line) *Error {
	first := l.next()
	interactive, ok := qosValue(first)
	if !ok {
		return l.bad(first)
	}
	bulk := interactive
	if second, given := l.nextOK(); given {
		if bulk, ok = qosValue(second); !ok {
			return l.bad(second)
		}
	}
	l.set("IPQoS", qosText(interactive)+" "+qosText(bulk))
	return nil
}

func qosValue(word string) (int, bool) {
	for _, q := range qosNames {
		if lower(word) == q.name {
			return q.value, true
		}
	}
	if slices.Contains(oldQoS, lower(word)) {
		return noQoS, true
	}
	if value, ok := numeral.Whole(word, 255); ok {
		return int(value), true
	}
	value, rest, _, ok := numeral.Leading(word, 0) // hexadecimal, up to OpenSSH 10.0
	return int(value), ok && rest == "" && value >= 0 && value <= 255
}

func qosText(value int) string {
	for _, q := range qosNames {
		if q.value == value {
			return q.name
		}
	}
	const digits = "0123456789abcdef"
	return "0x" + string([]byte{digits[value>>4], digits[value&15]})
}

func parseSendEnv(l *line) *Error {
	for len(l.args) > 0 {
		word := l.next()
		if word == "" || strings.Contains(word, "=") {
			return l.bad(word)
		}
		if !l.active {
			continue
		}
		if pattern, ok := strings.CutPrefix(word, "-"); ok {
			l.r.doc.remove("SendEnv", func(name string) bool { return sshpattern.MatchPattern(name, pattern) })
			continue
		}
		l.add("SendEnv", word)
	}
	return nil
}

func parseSetEnv(l *line) *Error {
	wins := !l.r.doc.has("SetEnv")
	seen := map[string]bool{}
	for len(l.args) > 0 {
		word := l.next()
		name, _, ok := strings.Cut(word, "=")
		if !ok {
			return l.bad(word)
		}
		if wins && !seen[name] {
			l.add("SetEnv", word)
		}
		seen[name] = true
	}
	return nil
}

func parsePermitRemoteOpen(l *line) *Error {
	wins, count := !l.r.doc.has("PermitRemoteOpen"), 0
	for ; len(l.args) > 0; count++ {
		word := l.next()
		if alone := lower(word); alone == "none" || alone == "any" {
			if count > 0 || len(l.args) > 0 {
				return l.fail("%q must stand alone", word)
			}
		} else if !validOpen(word) {
			return l.bad(word)
		}
		if wins {
			l.add("PermitRemoteOpen", word)
		}
	}
	if count == 0 {
		return l.missing()
	}
	return nil
}

// validOpen reports whether word is host:port, with a port of its own or "*".
func validOpen(word string) bool {
	_, port, hasPort, ok := splitHostPort(word)
	if !ok || !hasPort {
		return false
	}
	number, known := numeral.Port(port)
	return port == "*" || known && number > 0
}

// permittedOpens puts numbers in place of service names, and brackets where net.SplitHostPort wants them; "none" is nothing.
func permittedOpens(words []string) []string {
	opens := []string{}
	for _, word := range words {
		host, port, hasPort, _ := splitHostPort(word)
		if !hasPort {
			continue
		}
		if number, known := numeral.Port(port); known {
			port = strconv.Itoa(number)
		}
		opens = append(opens, net.JoinHostPort(withoutBrackets(host), port))
	}
	return opens
}

// splitHostPort is OpenSSH's hpdelim: a host, in brackets where it has colons, and what follows the colon. ok is
// false where a bracket is not closed, and where a slash comes first.
func splitHostPort(text string) (host, port string, hasPort, ok bool) {
	end := strings.IndexAny(text, ":/")
	if strings.HasPrefix(text, "[") {
		if end = strings.IndexByte(text, ']'); end < 0 {
			return "", "", false, false
		}
		end++
	}
	if end < 0 || end == len(text) {
		return text, "", false, true
	}
	if text[end] != ':' {
		return "", "", false, false
	}
	return text[:end], text[end+1:], true, true
}

// withoutBrackets is OpenSSH's cleanhostname.
func withoutBrackets(host string) string {
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") && len(host) > 1 {
		return host[1 : len(host)-1]
	}
	return host
}

// checkDomain makes a domain name lower case and drops its final dot.
func checkDomain(l *line, word string) (string, *Error) {
	if problem := domainProblem(word); problem != "" {
		return "", l.fail("%q %s", word, problem)
	}
	return strings.TrimSuffix(lower(word), "."), nil
}

// domainProblem says why name is not a domain name; empty where it is one.
func domainProblem(name string) string {
	switch {
	case name == "":
		return "is empty"
	case !numeral.IsAlphanumeric(name[0]):
		return "does not begin with a letter or digit"
	case strings.Contains(name, ".."):
		return "has two dots in a row"
	}
	for i := range len(name) {
		if c := name[i]; !numeral.IsAlphanumeric(c) && c != '.' && c != '-' && c != '_' {
			return "has a character that no domain name has"
		}
	}
	return ""
}

// checkCNAME returns FROM:TO, each a pattern list; "*" is *:* and "none" is none:.
func checkCNAME(l *line, word string) (string, *Error) {
	switch {
	case lower(word) == "none":
		return word + ":", nil
	case word == "*":
		return "*:*", nil
	}
	from, to, ok := strings.Cut(lower(word), ":")
	if !ok || to == "" {
		return "", l.bad(word)
	}
	return from + ":" + to, nil
}
