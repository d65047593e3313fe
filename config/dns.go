package config

import (
	"slices"
	"strings"
)

// parseDNS reads TunneldDNS. As of all keywords the first value wins: a "none" before the others leaves none.
func parseDNS(l *line) *Error {
	word := l.next()
	_, ok := dnsForward(word)
	off := lower(word) == "none"
	switch values := l.r.doc.values(l.keyword.name); {
	case word == "":
		return l.missing()
	case !ok && !off:
		return l.bad(word)
	case !l.active:
	case off && len(values) > 0, slices.Contains(values, word), slices.Contains(values, "none"):
		l.r.doc.trace.shadowed(l.source, l.keyword.name, word)
	case off:
		l.add(l.keyword.name, "none")
	default:
		l.add(l.keyword.name, word)
	}
	return nil
}

// dnsForward reads [bind_address:]port=server[:port].
func dnsForward(text string) (Forward, bool) {
	f := Forward{Kind: DNS}
	here, there, ok := strings.Cut(text, "=")
	if !ok {
		return f, false
	}
	host, port, hasHost, ok := splitHostPort(here)
	if hasHost {
		ok = ok && f.Listen.hostPort(DNS, withoutBrackets(host), port)
	} else {
		ok = ok && f.Listen.port(DNS, host)
	}
	server, port, hasPort, also := splitHostPort(there)
	if !hasPort {
		port = "53"
	}
	ok = ok && also && withoutBrackets(server) != "" && f.Target.hostPort(DNS, withoutBrackets(server), port)
	return f, ok && f.fits()
}

func (r *resolver) fillDNS(o *Options) {
	if o.ClearAllForwardings {
		r.doc.replace("TunneldDNS", "none", r.doc.Source("ClearAllForwardings"))
	}
	for _, e := range r.doc.entries("TunneldDNS") {
		if f, ok := dnsForward(e.value); ok {
			f.Source = e.source
			o.Forwards = append(o.Forwards, f)
		}
	}
}
