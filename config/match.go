package config

import (
	"fmt"
	"strings"

	"github.com/tunneld/tunneld/config/sshpattern"
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
	holds  bool
	count  int    // criteria so far
	reason string // the first criterion that failed
	named  bool   // a criterion on the host held
}

// match reads a Match line: the lines after it hold if all its criteria do.
func (l *line) match(active *bool) *Error {
	c := &condition{line: l, holds: true}
	header := "Match " + strings.TrimSpace(l.raw)
	if err := c.evaluate(); err != nil {
		return err
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
		word, ok := c.nextOK()
		if !ok || strings.HasPrefix(word, "#") { // a comment, to OpenSSH in quotes too
			break
		}
		name, negated := strings.CutPrefix(word, "!")
		if lower(name) == "all" {
			return c.all(word, negated)
		}
		c.count++
		if err := c.criterion(name, word, negated); err != nil {
			return err
		}
	}
	if c.count == 0 {
		return c.fail("at least one criterion is needed; known are %s", criteria)
	}
	return nil
}

// argument takes the argument of a criterion: the next word, or what stands behind an equals sign, alone or not. OpenSSH has read it
// in one way and in the other.
func (c *condition) argument(name string) (criterion, argument string, ok bool) {
	criterion, argument, ok = strings.Cut(name, "=")
	if criterion = lower(criterion); ok && (argument != "" || len(c.args) == 0 || mayBeEmpty(criterion)) {
		return criterion, argument, true
	}
	argument, given := c.nextOK()
	if after, found := strings.CutPrefix(argument, "="); found && !ok {
		if after == "" && len(c.args) > 0 {
			after, given = c.nextOK()
		}
		argument = after
	}
	return criterion, argument, given
}

// mayBeEmpty reports whether an empty argument stands for what is not set.
func mayBeEmpty(criterion string) bool { return criterion == "tagged" || criterion == "command" }

const criteria = "all, canonical, final, exec, host, originalhost, user, localuser, localnetwork, tagged, command, " +
	"sessiontype, version"

// all always holds. It stands alone, or after one other criterion such as canonical or final.
func (c *condition) all(word string, negated bool) *Error {
	if next := c.next(); c.count > 1 || next != "" && next[0] != '#' {
		return c.fail("%q cannot be combined with other criteria", word)
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

// criterion evaluates one criterion; word is as written, and name without its negation.
func (c *condition) criterion(name, word string, negated bool) *Error {
	if alone := lower(name); alone == "canonical" || alone == "final" {
		if alone == "final" && !negated { // the negation is no wish for a second pass, since OpenSSH 10.1
			c.r.wantFinal = true
		}
		if c.file.final == negated {
			c.failed(word, "")
		}
		return nil
	}
	name, argument, ok := c.argument(name)
	if !ok || argument == "" && !mayBeEmpty(name) || strings.HasPrefix(argument, "#") {
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
		return fits(tag, argument), fmt.Sprintf("the tag is %q", tag), nil
	case "command":
		return fits(r.req.Command, argument), fmt.Sprintf("the command is %q", r.req.Command), nil
	case "sessiontype":
		kind := r.sessionType()
		return sshpattern.MatchList(kind, argument, false) == sshpattern.Positive, "the session type is " + kind, nil
	case "version":
		return sshpattern.MatchList(matchedVersion, argument, false) == sshpattern.Positive, "the version is " + matchedVersion, nil
	case "localnetwork":
		return c.localNetwork(argument)
	}
	return false, "", c.fail("%q is not a criterion; known are %s", name, criteria)
}

// fits reports whether a list of patterns matches text; an empty list matches what is not set.
func fits(text, list string) bool {
	if text == "" || list == "" {
		return text == list
	}
	return sshpattern.MatchList(text, list, false) == sshpattern.Positive
}

// sessionType returns what "Match sessiontype" compares with. A tunnel opens no session: it is `ssh -N`.
func (r *resolver) sessionType() string {
	switch {
	case !r.req.Session || r.doc.is("SessionType", "none"):
		return "none"
	case r.doc.is("SessionType", "subsystem"):
		return "subsystem"
	case r.req.Command != "":
		return "exec"
	}
	return "shell"
}

// matchedVersion is what "Match version" compares with: the release of OpenSSH whose rules these are.
const matchedVersion = "OpenSSH_10.6p1"
