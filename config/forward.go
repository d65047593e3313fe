package config

import (
	"net"
	"strconv"
	"strings"

	"github.com/tunneld/tunneld/config/numeral"
)

// Kind is the direction of a forward, named by the option of ssh(1).
type Kind byte

// The kinds of forward.
const (
	Local   Kind = 'L' // listen here, connect there
	Remote  Kind = 'R' // listen there, connect here; with a zero Target it is a SOCKS proxy towards our side
	Dynamic Kind = 'D' // listen here, SOCKS or HTTP says where to connect there
	DNS     Kind = 'N' // as Local, and on UDP as well: what is asked there is asked over TCP; TunneldDNS, which no option of ssh is
)

// Option returns what a person types before a forward: -L, -R, -D, or the keyword where ssh has no option.
func (k Kind) Option() string {
	if k == DNS {
		return "TunneldDNS"
	}
	return "-" + string(rune(k))
}

// Endpoint is one end of a forward: a TCP port or a Unix socket.
type Endpoint struct {
	Host    string // name or address, without brackets
	HostSet bool   // a host was written; tells the empty address ("every interface") from none at all
	Port    int    // 0..65535; 0 only for Remote listeners: the server chooses
	Path    string // Unix socket; then all the above are zero
}

// IsUnix reports whether the endpoint is a Unix socket.
func (e Endpoint) IsUnix() bool { return e.Path != "" }

// String writes the endpoint as `ssh -G` does: "8080", "[::1]:8080" or a path.
func (e Endpoint) String() string {
	switch {
	case e.IsUnix():
		return e.Path
	case e.HostSet:
		return "[" + e.Host + "]:" + strconv.Itoa(e.Port)
	}
	return strconv.Itoa(e.Port)
}

// Forward is one -L, -R, -D or TunneldDNS.
type Forward struct {
	Kind   Kind
	Listen Endpoint
	Target Endpoint // zero for Dynamic and for a remote SOCKS proxy
	Source Source
}

// IsSOCKS reports whether the client names the target of each connection: -D, or -R without a target.
func (f Forward) IsSOCKS() bool { return f.Target == (Endpoint{}) }

func joinHostPort(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// forwardForms are the forms of a forward, for messages.
var forwardForms = map[Kind]string{
	Local:   "[bind_address:]port:host:hostport, or the path of a socket on either side",
	Remote:  "[bind_address:]port:host:hostport, the path of a socket on either side, or [bind_address:]port",
	Dynamic: "[bind_address:]port",
}

// parseForward reads a forward as -L, -R and -D take it: [bind_address:]port:host:hostport, either side of which may be the
// path of a Unix socket, and [bind_address:]port alone for -D and -R. getenv looks up ${VARIABLE}.
func parseForward(kind Kind, text string, getenv func(string) (string, bool)) (Forward, bool) {
	if kind != Dynamic {
		if f, ok := parseOneForward(kind, text, false, getenv); ok || kind == Local {
			return f, ok
		}
	}
	return parseOneForward(kind, text, true, getenv)
}

// The longest names that OpenSSH takes: NI_MAXHOST, and a path in struct sockaddr_un.
const (
	maxHostName   = 1025
	maxSocketPath = 108
)

// parseOneForward is OpenSSH's parse_forward. A dynamic forward has no target.
func parseOneForward(kind Kind, text string, dynamic bool, getenv func(string) (string, bool)) (Forward, bool) {
	text, err := expand(text, nil, getenv)
	if err != nil {
		return Forward{}, false
	}
	fields, ok := forwardFields(strings.TrimLeft(text, numeral.Space))
	if !ok {
		return Forward{}, false
	}
	f, ok := fieldsToForward(kind, fields, dynamic)
	return f, ok && f.fits()
}

func (f Forward) fits() bool {
	return len(f.Listen.Host) < maxHostName && len(f.Target.Host) < maxHostName &&
		len(f.Listen.Path) < maxSocketPath && len(f.Target.Path) < maxSocketPath
}

// forwardField is one part between colons. In brackets it is taken as it is.
type forwardField struct {
	text   string
	isPath bool // it has a slash
}

// forwardFields splits at colons; at most four fields are allowed.
func forwardFields(text string) ([]forwardField, bool) {
	var fields []forwardField
	for text != "" {
		if len(fields) == 4 {
			return nil, false
		}
		field, rest, ok := nextForwardField(text)
		if !ok {
			return nil, false
		}
		fields, text = append(fields, field), rest
	}
	return fields, len(fields) > 0
}

func nextForwardField(text string) (forwardField, string, bool) {
	if strings.HasPrefix(text, "[") {
		inside, rest, closed := strings.Cut(text[1:], "]")
		if !closed || rest != "" && rest[0] != ':' {
			return forwardField{}, "", false
		}
		return forwardField{inside, strings.Contains(inside, "/")}, strings.TrimPrefix(rest, ":"), true
	}
	var field forwardField
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i++; i == len(text) {
				return forwardField{}, "", false
			}
			field.text += text[i : i+1]
			continue
		case ':':
			return field, text[i+1:], true
		case '/':
			field.isPath = true
		}
		field.text += text[i : i+1]
	}
	return field, "", true
}

// fieldsToForward works out what each field is from how many there are and which of them are paths.
func fieldsToForward(kind Kind, f []forwardField, dynamic bool) (Forward, bool) {
	forward := Forward{Kind: kind}
	listen, target := &forward.Listen, &forward.Target
	ok, socks := true, false
	switch n := len(f); {
	case n == 1 && f[0].isPath:
		listen.Path, socks = f[0].text, true
	case n == 1:
		ok, socks = listen.port(kind, f[0].text), true
	case n == 2 && f[0].isPath && f[1].isPath:
		listen.Path, target.Path = f[0].text, f[1].text
	case n == 2 && f[1].isPath:
		ok, target.Path = listen.port(kind, f[0].text), f[1].text
	case n == 2:
		ok, socks = listen.hostPort(kind, f[0].text, f[1].text), true
	case n == 3 && f[0].isPath:
		listen.Path = f[0].text
		ok = target.hostPort(0, f[1].text, f[2].text)
	case n == 3 && f[2].isPath:
		ok = listen.hostPort(kind, f[0].text, f[1].text)
		target.Path = f[2].text
	case n == 3:
		ok = listen.port(kind, f[0].text) && target.hostPort(0, f[1].text, f[2].text)
	default:
		ok = listen.hostPort(kind, f[0].text, f[1].text) && target.hostPort(0, f[2].text, f[3].text)
	}
	if dynamic {
		ok = ok && len(f) <= 2
	} else {
		ok = ok && !socks
	}
	if kind == Dynamic && !socks { // two paths: OpenSSH makes an ordinary forward of them
		forward.Kind = Local
	}
	return forward, ok
}

// noPort names a number in a forward that is too large for a port; empty: there is none.
func noPort(text string) string {
	fields, _ := forwardFields(text)
	for _, field := range fields {
		digits := field.text != "" && strings.Trim(field.text, "0123456789") == ""
		if _, ok := numeral.Port(field.text); digits && !ok {
			return field.text + " is no port (1 to 65535); "
		}
	}
	return ""
}

// port reads a port to listen on; 0 lets the server choose one.
func (e *Endpoint) port(kind Kind, text string) bool {
	port, ok := numeral.Port(text)
	e.Port = port
	return ok && (port > 0 || kind == Remote)
}

func (e *Endpoint) hostPort(kind Kind, host, port string) bool {
	e.Host, e.HostSet = host, true
	return e.port(kind, port)
}

// maxForwardText is the buffer in which OpenSSH joins the two arguments of a forward; it cuts what is longer.
const maxForwardText = 255

// parseForwardLine reads LocalForward, RemoteForward and DynamicForward.
func parseForwardLine(l *line) *Error {
	listen := l.next()
	if listen == "" {
		return l.missing()
	}
	kind := Kind(l.keyword.name[0])
	text, dynamic := listen, kind == Dynamic
	if !dynamic {
		switch target := l.next(); {
		case target != "":
			text += ":" + target
		case kind == Remote:
			dynamic = true
		default:
			return l.fail("the target is missing; want %s", l.keyword.wants)
		}
	}
	text = text[:min(len(text), maxForwardText)]
	forward, ok := parseOneForward(kind, text, dynamic, l.r.env.Getenv)
	if !ok && noPort(text) != "" {
		return l.fail("%s: %swant %s", text, noPort(text), l.keyword.wants)
	}
	if !ok {
		return l.bad(text)
	}
	if l.active {
		l.r.addForward(forward, text, l.source)
	}
	return nil
}

// addForward stores a forward unless it is there already. The look-up of OpenSSH does not tell -L from -D.
func (r *resolver) addForward(forward Forward, text string, from Source) {
	forward.Source = Source{}
	remote := forward.Kind == Remote
	for _, known := range r.forwards {
		if (known.Kind == Remote) == remote && known.Listen == forward.Listen && known.Target == forward.Target {
			r.doc.trace.shadowed(from, forward.keyword(), text)
			return
		}
	}
	r.forwards = append(r.forwards, forward)
	r.doc.add(forward.keyword(), text, from)
}

func (f Forward) keyword() string {
	switch f.Kind {
	case Remote:
		return "RemoteForward"
	case Dynamic:
		return "DynamicForward"
	}
	return "LocalForward"
}
