package config

import (
	"fmt"
	"github.com/tunneld/tunneld/config/sshpattern"
	"net/netip"
	"strings"
)

// host reads a Host line: the lines after it hold if one of its patterns matches the host and no negated one does.
func (l *line) host(active *bool) *Error {
	*active = false
	header, matched := "Host "+joinWords(l.args), ""
	for len(l.args) > 0 {
		word := l.next()
		if word == "" {
			return l.fail("an argument is empty")
		}
		if l.file.never {
			l.args = nil
			break
		}
		pattern, negated := strings.CutPrefix(word, "!")
		if !sshpattern.MatchPattern(l.r.host, pattern) {
			continue
		}
		if negated {
			l.args, *active, matched = nil, false, word
			break
		}
		*active, matched = true, word
		l.r.doc.trace.named = l.r.doc.trace.named || strings.Trim(pattern, "*") != ""
	}
	l.entered(header, *active, hostReason(l.r.host, matched))
	return nil
}

func hostReason(host, negated string) string {
	if negated != "" {
		return fmt.Sprintf("%s excludes %s", negated, host)
	}
	return "no pattern matches " + host
}

// entered notes the block for Explain.
func (l *line) entered(header string, active bool, reason string) {
	if l.file.never {
		reason = "the file is included from a block that does not hold"
	}
	l.r.doc.trace.entered(block{source: l.source, header: header, active: active && !l.file.never, reason: reason})
}

// condition is a Match line while it is evaluated.
type condition struct {
	*line
	words  cursor
	holds  bool
	count  int    // criteria so far
	reason string // the first criterion that failed
	named  bool   // a criterion on the host held
}

// match reads a Match line: the lines after it hold if all its criteria do.
func (l *line) match(active *bool) *Error {
	c := &condition{line: l, words: cursor{rest: l.raw}, holds: true}
	header := "Match " + strings.TrimSpace(l.raw)
	if err := c.evaluate(); err != nil {
		return err
	}
	if c.words.done || c.words.rest == "" {
		l.args = nil
	}
	*active = c.holds && !l.file.never
	if *active && c.named {
		l.r.doc.trace.named = true
	}
	l.entered(header, *active, c.reason)
	return nil
}

// evaluate reads the criteria to the end of the line even after one has failed, so that a mistake is always found.
func (c *condition) evaluate() *Error {
	for {
		word, ok := c.words.next()
		if !ok || word == "" {
			break
		}
		if word[0] == '#' {
			c.words.done = true
			break
		}
		name, negated := strings.CutPrefix(word, "!")
		if lower(name) == "all" {
			return c.all(word, negated)
		}
		c.count++
		if err := c.criterion(lower(name), word, negated); err != nil {
			return err
		}
	}
	if c.count == 0 {
		return c.fail("at least one criterion is needed; known are %s", criteria)
	}
	return nil
}

const criteria = "all, canonical, final, exec, host, originalhost, user, localuser, localnetwork, tagged, command, " +
	"sessiontype, version"

// all always holds. It stands alone, or after one other criterion such as canonical or final.
func (c *condition) all(word string, negated bool) *Error {
	next, ok := c.words.next()
	if c.count > 1 || ok && next != "" && next[0] != '#' {
		return c.fail("%q cannot be combined with other criteria", word)
	}
	if strings.HasPrefix(next, "#") {
		c.words.done = true
	}
	if negated {
		c.failed(word, "")
	}
	return nil
}

// failed notes that a criterion does not hold; the first one is the reason.
func (c *condition) failed(criterion, actual string) {
	if c.holds {
		c.reason = criterion + " does not hold"
		if actual != "" {
			c.reason += ": " + actual
		}
	}
	c.holds = false
}

// criterion evaluates one criterion; name is in lower case and word as written.
func (c *condition) criterion(name, word string, negated bool) *Error {
	if name == "canonical" || name == "final" {
		if name == "final" {
			c.r.wantFinal = true
		}
		if c.file.final == negated {
			c.failed(word, "")
		}
		return nil
	}
	argument, ok := c.words.next()
	mayBeEmpty := name == "tagged" || name == "command"
	if !ok || argument == "" && !mayBeEmpty || strings.HasPrefix(argument, "#") {
		return c.fail("%q needs an argument", word)
	}
	held, actual, err := c.compare(name, argument)
	if err != nil {
		return err
	}
	if held == negated {
		c.failed(fmt.Sprintf("%s %s", word, argument), actual)
	} else if !negated && (name == "host" || name == "originalhost") {
		c.named = c.named || strings.Trim(argument, "*,") != ""
	}
	return nil
}

// compare reports whether one criterion holds, and returns what it was compared with.
func (c *condition) compare(name, argument string) (held bool, actual string, err *Error) {
	r := c.r
	switch name {
	case "host":
		host, err := r.matchedHost()
		if err != nil {
			return false, "", c.fail("HostName %q: %v", r.doc.value("HostName"), err)
		}
		return sshpattern.MatchHost(host, argument), "the host is " + host, nil
	case "originalhost":
		return sshpattern.MatchHost(r.alias, argument), "the host was given as " + r.alias, nil
	case "user":
		user := r.remoteUser()
		return sshpattern.MatchList(user, argument, false) == sshpattern.Positive, "the user is " + user, nil
	case "localuser":
		return sshpattern.MatchList(r.env.LocalUser, argument, false) == sshpattern.Positive, "the local user is " + r.env.LocalUser, nil
	case "exec":
		return c.exec(argument)
	case "tagged":
		tag := r.doc.value("Tag")
		return tag == argument || sshpattern.MatchList(tag, argument, false) == sshpattern.Positive, fmt.Sprintf("the tag is %q", tag), nil
	case "command":
		command := r.doc.value("RemoteCommand")
		return command == argument || sshpattern.MatchList(command, argument, false) == sshpattern.Positive, fmt.Sprintf("the command is %q", command), nil
	case "sessiontype": // a tunnel never opens a session
		return sshpattern.MatchList("none", lower(argument), false) == sshpattern.Positive, "the session type is none", nil
	case "version":
		return sshpattern.MatchList(matchedVersion, argument, false) == sshpattern.Positive, "the version is " + matchedVersion, nil
	case "localnetwork":
		return c.localNetwork(argument)
	}
	return false, "", c.fail("%q is not a criterion; known are %s", name, criteria)
}

// matchedVersion is what "Match version" compares with: the release of OpenSSH that brought the criterion.
const matchedVersion = "OpenSSH_10.0"

// localNetwork reports whether one of our addresses is in a list of networks.
func (c *condition) localNetwork(list string) (bool, string, *Error) {
	held := false
	for _, word := range strings.Split(list, ",") {
		word, negated := strings.CutPrefix(word, "!")
		network, err := parseNetwork(word)
		if err != nil {
			return false, "", c.fail("%q is not a network such as 192.168.0.0/16", word)
		}
		if !c.r.hasAddressIn(network) {
			continue
		}
		if negated {
			return false, "an address is in " + word, nil
		}
		held = true
	}
	return held, "no address of this machine is in it", nil
}

func parseNetwork(word string) (netip.Prefix, error) {
	if strings.Contains(word, "/") {
		return netip.ParsePrefix(word)
	}
	address, err := netip.ParseAddr(word)
	if err != nil {
		return netip.Prefix{}, err
	}
	return address.Prefix(address.BitLen())
}
