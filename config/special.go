package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tunneld/tunneld/config/bytesize"
	"github.com/tunneld/tunneld/config/numeral"
)

func anyWord(_ *line, word string) (string, *Error) { return word, nil }

func parsePort(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	port, ok := numeral.Port(word)
	if !ok || port == 0 {
		return l.bad(word)
	}
	l.set("Port", decimalText(port))
	return nil
}

func parseIdentityFile(l *line, word string) *Error {
	return l.addFile("IdentityFile", word)
}

func parseCertificateFile(l *line, word string) *Error {
	return l.addFile("CertificateFile", word)
}

// addFile stores one more file name unless the same kind of source named it already.
func (l *line) addFile(keyword, name string) *Error {
	if len(l.r.doc.values(keyword)) >= maxKeyFiles {
		return l.fail("more than %d files", maxKeyFiles)
	}
	l.r.addFile(keyword, name, l.source, fileOrigin(l.fromUser()))
	return nil
}

// origin is who named a key file; ssh drops a duplicate only where both have the same origin.
type origin int

const (
	bySystem origin = iota
	byUser          // the user's files and -o
	byFlag          // -i
)

func fileOrigin(user bool) origin {
	if user {
		return byUser
	}
	return bySystem
}

func (r *resolver) addFile(keyword, name string, from Source, by origin) {
	key := fmt.Sprint(keyword, " ", by, " ", name)
	if r.seenFiles[key] {
		r.doc.trace.shadowed(from, keyword, name)
		return
	}
	r.seenFiles[key] = true
	r.doc.add(keyword, name, from)
}

// Keywords that exist in a document only: second arguments, which ssh obtains independently of the first.
const (
	rekeyInterval   = "RekeyLimit interval"
	forwardedSocket = "ForwardAgent socket"
)

func parseRekeyLimit(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	size, ok := int64(0), word == "default"
	if !ok {
		if size, ok = bytesize.Parse(word); !ok {
			return l.bad(word)
		}
		if size != 0 && size < 16 {
			return l.fail("%q is less than 16 bytes", word)
		}
	}
	l.set("RekeyLimit", strconv.FormatInt(size, 10))
	if len(l.args) == 0 {
		return nil
	}
	if l.args[0] == "none" {
		l.next()
		return nil
	}
	return l.duration(rekeyInterval)
}

func parseForwardAgent(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	if value, ok := lookUp(yesNo, word); ok {
		l.set("ForwardAgent", value)
		return nil
	}
	if l.active {
		l.r.doc.set("ForwardAgent", "yes", l.source)
	}
	return l.agentSocket(forwardedSocket, word)
}

func parseIdentityAgent(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	return l.agentSocket("IdentityAgent", word)
}

// agentSocket stores the path of an agent's socket, after a look at the environment variables in it.
func (l *line) agentSocket(keyword, word string) *Error {
	if _, err := expand(word, nil, l.r.env.Getenv); err != nil {
		return l.fail("%q: %v", word, err)
	}
	if name, ok := strings.CutPrefix(word, "$"); ok && !strings.HasPrefix(name, "{") && !validVariable(name) {
		return l.fail("%q is not the name of an environment variable", word)
	}
	l.set(keyword, word)
	return nil
}

func validVariable(name string) bool {
	for i := range len(name) {
		if !numeral.IsAlphanumeric(name[i]) && name[i] != '_' {
			return false
		}
	}
	return name != ""
}

func parseAddKeysToAgent(l *line) *Error {
	word := l.next()
	hasSecond := len(l.args) > 0
	second := l.next()
	value, known := lookUp(addingKeys, word)
	lifetime := 0
	switch {
	case value == "confirm" && hasSecond:
		var ok bool
		if lifetime, ok = numeral.Seconds(second); !ok {
			return l.bad(second)
		}
	case !known && !hasSecond:
		var ok bool
		if lifetime, ok = numeral.Seconds(word); !ok {
			return l.bad(word)
		}
		value = "true"
	case !known:
		return l.bad(word)
	case hasSecond:
		return l.bad(word + " " + second)
	}
	switch {
	case lifetime > 0 && value == "confirm":
		value = "confirm " + decimalText(lifetime)
	case lifetime > 0:
		value = decimalText(lifetime)
	}
	l.set("AddKeysToAgent", value)
	return nil
}

func parseControlPersist(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	var value string
	switch word {
	case "no", "false":
		value = "no"
	case "yes", "true":
		value = "yes"
	default:
		time, ok := numeral.Seconds(word)
		if !ok {
			return l.bad(word)
		}
		if value = decimalText(time); time == 0 {
			value = "yes"
		}
	}
	l.set("ControlPersist", value)
	return nil
}

func parseFingerprintHash(l *line) *Error {
	word := l.next()
	switch name := strings.ToUpper(word); name {
	case "":
		return l.missing()
	case "MD5", "SHA1", "SHA256", "SHA384", "SHA512":
		l.set("FingerprintHash", name)
		return nil
	}
	return l.bad(word)
}

func parseLogLevel(l *line) *Error {
	word := l.next()
	level, ok := logLevel(word)
	if !ok {
		return l.bad(word)
	}
	l.set("LogLevel", level)
	return nil
}

// logLevels are in the order of what they let through. DEBUG and SILENT are other names.
var logLevels = []string{"QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG2", "DEBUG3"}

func logLevel(word string) (string, bool) {
	word = strings.ToUpper(word)
	switch word {
	case "SILENT":
		word = "QUIET"
	case "DEBUG1":
		word = "DEBUG"
	}
	return word, slices.Contains(logLevels, word)
}

// parseSyslogFacility takes the first value of all, also from a block that is not active, as OpenSSH does.
func parseSyslogFacility(l *line) *Error {
	word := l.next()
	name := strings.ToUpper(word)
	switch name {
	case "DAEMON", "USER", "AUTH", "AUTHPRIV", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6", "LOCAL7":
		l.r.doc.set("SyslogFacility", name, l.source)
		return nil
	}
	return l.bad(word)
}

// parseLogVerbose keeps the first word only, as OpenSSH does.
func parseLogVerbose(l *line) *Error {
	for first := true; len(l.args) > 0; first = false {
		word := l.next()
		if err := loneNone(l, word, first); err != nil {
			return err
		}
		l.set("LogVerbose", word)
	}
	return nil
}

func parseBindMask(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	value, _, _, ok := numeral.Leading(word, 8)
	mask := int32(value) // strtol's result goes into an int
	if !ok || mask < 0 || mask > 0o777 {
		return l.bad(word)
	}
	l.set("StreamLocalBindMask", "0"+strconv.FormatInt(int64(mask), 8))
	return nil
}

func parseTunnelDevice(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	local, remote, paired := strings.Cut(word, ":")
	if !paired {
		remote = "any"
	}
	values := [2]string{local, remote}
	for i, device := range values {
		if lower(device) == "any" {
			values[i] = "any"
			continue
		}
		number, ok := numeral.Whole(device, maxInt-2)
		if !ok {
			return l.bad(word)
		}
		values[i] = decimalText(int(number))
	}
	l.set("TunnelDevice", values[0]+":"+values[1])
	return nil
}
