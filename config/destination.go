package config

import (
	"fmt"
	"strings"

	"github.com/tunneld/tunneld/config/numeral"
)

// readDestination takes ALIAS, user@host or ssh://[user@]host[:port].
func (r *resolver) readDestination() {
	text := r.req.Destination
	uri, isURI, ok := parseURI(text)
	if isURI && !ok {
		r.problem(&Error{Source: commandLine, Text: fmt.Sprintf("%q: want ssh://[user@]host[:port]", text)})
		return
	}
	if isURI {
		if uri.userSet {
			r.userFlag(uri.user)
		} else if !r.doc.has("User") {
			r.userTyped = true // ssh then checks the user of a file as if it had been typed
		}
		if uri.port > 0 {
			r.doc.set("Port", decimalText(uri.port), commandLine)
		}
		r.alias = uri.host
		return
	}
	r.alias = text
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		if at == 0 {
			r.problem(&Error{Source: commandLine, Text: fmt.Sprintf("%q: the user name before @ is missing", text)})
		}
		r.userFlag(text[:at])
		r.alias = text[at+1:]
	}
	if len(r.alias) >= maxHostName {
		r.problem(&Error{Source: commandLine, Text: fmt.Sprintf("a host name of %d bytes is too long", len(r.alias))})
	}
	if r.alias == "" {
		r.problem(&Error{Source: commandLine, Text: "the name of a host is missing"})
	}
}

// hostSpec is a host with an optional user and port, as a destination or a jump host.
type hostSpec struct {
	user    string
	userSet bool
	host    string
	port    int // 0: not given
}

// parseURI reads an ssh:// URI; isURI is false for all other texts.
func parseURI(text string) (p hostSpec, isURI, ok bool) {
	text, isURI = strings.CutPrefix(text, "ssh://")
	if !isURI {
		return hostSpec{}, false, false
	}
	if user, rest, at := strings.Cut(text, "@"); at {
		user, _, _ = strings.Cut(user, ";") // connection parameters
		if user == "" {
			return hostSpec{}, true, false
		}
		if p.user, ok = percentDecoded(user); !ok {
			return hostSpec{}, true, false
		}
		p.userSet, text = true, rest
	}
	host, rest, slash, ok := uriHost(text)
	if !ok || domainProblem(withoutBrackets(host)) != "" {
		return hostSpec{}, true, false
	}
	p.host = strings.TrimSuffix(withoutBrackets(host), ".")
	if rest == "" {
		return p, true, true
	}
	if slash {
		return hostSpec{}, true, false // a path is not allowed
	}
	port, path, _ := strings.Cut(rest, "/")
	if p.port, ok = numeral.Port(port); !ok || p.port == 0 || path != "" {
		return hostSpec{}, true, false
	}
	return p, true, true
}

// uriHost splits at the first colon or slash after the host.
func uriHost(text string) (host, rest string, slash, ok bool) {
	end := strings.IndexAny(text, ":/")
	if strings.HasPrefix(text, "[") {
		if end = strings.IndexByte(text, ']'); end < 0 {
			return "", "", false, false
		}
		end++
	}
	switch {
	case end < 0 || end == len(text):
		return text, "", false, text != ""
	case text[end] != ':' && text[end] != '/':
		return "", "", false, false
	}
	return text[:end], text[end+1:], text[end] == '/', end > 0
}

// percentDecoded decodes a part of a URI; "+" is a blank.
func percentDecoded(text string) (string, bool) {
	var out []byte
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '+':
			out = append(out, ' ')
		case '%':
			if i+2 >= len(text) || numeral.Digit(text[i+1]) > 15 || numeral.Digit(text[i+2]) > 15 {
				return "", false
			}
			c := byte(numeral.Digit(text[i+1])<<4 | numeral.Digit(text[i+2]))
			if c == 0 {
				return "", false
			}
			out = append(out, c)
			i += 2
		default:
			out = append(out, text[i])
		}
	}
	return string(out), true
}

// parsePlace reads [user@]host[:port].
func parsePlace(text string) (p hostSpec, ok bool) {
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		if at == 0 {
			return hostSpec{}, false
		}
		p.user, p.userSet, text = text[:at], true, text[at+1:]
	}
	host, port, _, ok := splitHostPort(text)
	if !ok || host == "" {
		return hostSpec{}, false
	}
	if p.host = withoutBrackets(host); p.host == "" { // ssh would go to no jump host at all
		return hostSpec{}, false
	}
	if port != "" {
		if p.port, ok = numeral.Port(port); !ok || p.port == 0 {
			return hostSpec{}, false
		}
	}
	return p, true
}
