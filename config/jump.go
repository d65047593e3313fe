package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tunneld/tunneld/config/numeral"
)

// maxHops is how many jump hosts there may be on the way to a server.
const maxHops = 16

// jump is ProxyJump: the nearest hop, and the ones before it as they were written.
type jump struct {
	hostSpec
	before string // "a,b"; empty: none
	spec   string // all of it, as written
	none   bool
}

func parseProxyJump(l *line) *Error {
	text := l.rest()
	jump, wrong := parseJump(text, l.file == nil)
	if wrong != "" {
		return l.fail("%q: %s", text, wrong)
	}
	if l.active && !l.r.setJump(jump, l.source) {
		l.r.doc.trace.shadowed(l.source, "ProxyJump", text)
	}
	return nil
}

// parseJump reads a list of jump hosts and returns what is wrong with it. Names from the command line must mean nothing to a
// shell.
func parseJump(text string, strict bool) (jump, string) {
	if lower(text) == "none" {
		return jump{spec: "none", none: true}, ""
	}
	text, _, _ = strings.Cut(text, "#")
	if len(text) > 0 {
		if end := strings.IndexAny(text[1:], numeral.Space); end >= 0 {
			text = text[:end+1]
		}
	}
	j := jump{spec: text}
	for i, hops := 0, strings.Split(text, ","); i < len(hops); i++ {
		hop := hops[len(hops)-1-i]
		p, isURI, ok := parseURI(hop)
		if !isURI {
			p, ok = parsePlace(hop)
		}
		switch {
		case !ok:
			return jump{}, fmt.Sprintf("%q is not [user@]host[:port]", hop)
		case strict && !validHost(p.host), strict && p.userSet && !validUser(p.user):
			return jump{}, fmt.Sprintf("%q has characters that are not allowed", hop)
		}
		if i == 0 {
			j.hostSpec = p
		}
	}
	if last := strings.LastIndexByte(text, ','); last >= 0 {
		j.before = text[:last]
	}
	return j, ""
}

// setJump stores ProxyJump unless it or ProxyCommand is set: of the two the first wins. "none" keeps a later ProxyJump away
// and no ProxyCommand.
func (r *resolver) setJump(j jump, from Source) bool {
	if j.none {
		return r.doc.set("ProxyJump", "none", from)
	}
	if r.doc.has("ProxyCommand") || r.doc.has("ProxyJump") {
		return false
	}
	if lower(j.spec) == "none" { // a host of that name; "none" itself came above
		j.spec = "[" + j.spec + "]"
	}
	r.doc.add("ProxyJump", j.spec, from)
	r.doc.add("ProxyCommand", "none", from)
	return true
}

// jump returns the effective ProxyJump; its host is empty where there is none.
func (r *resolver) jump() jump {
	spec := r.doc.value("ProxyJump")
	if spec == "" || spec == "none" {
		return jump{none: true}
	}
	j, _ := parseJump(spec, false)
	return j
}

// text writes the jump as `ssh -G` does.
func (j jump) text() string {
	var b strings.Builder
	if j.before != "" {
		b.WriteString(j.before + ",")
	}
	if j.userSet {
		b.WriteString(j.user + "@")
	}
	if strings.Contains(j.host, ":") || strings.Trim(j.host, "1234567890.") == "" {
		b.WriteString("[" + j.host + "]")
	} else {
		b.WriteString(j.host)
	}
	if j.port > 0 {
		b.WriteString(":" + decimalText(j.port))
	}
	return b.String()
}

// checkJump refuses a host that is its own jump host, as ssh does.
func (r *resolver) checkJump(host string) {
	j := r.jump()
	if j.none {
		return
	}
	user, port := r.remoteUser(), decimalText(numeral.SSHPort())
	if j.userSet {
		user = j.user
	}
	if j.port > 0 {
		port = decimalText(j.port)
	}
	if j.host == host && port == r.port() && user == r.remoteUser() {
		r.problem(&Error{
			Source: r.doc.Source("ProxyJump"),
			Text:   fmt.Sprintf("ProxyJump: %s would be reached through itself", j.host),
			Hint:   fmt.Sprintf("write \"Host %s\" and \"ProxyJump none\" before it", j.host),
		})
	}
}

// resolveJump resolves the jump host of o as ssh does when it turns ProxyJump into the command `ssh -l user -p port -J before -F
// file host`: the hop has the settings of its own name, and none of our other flags. An error that it returns may pass.
func (r *resolver) resolveJump(o *Options, hops []string) error {
	j := r.jump()
	if j.none {
		return nil
	}
	name := fmt.Sprintf("%s@%s:%d", o.User, o.HostName, o.Port)
	hops = append(hops, name)
	if slices.Contains(hops[:len(hops)-1], name) || len(hops) > maxHops {
		r.unusable(&Error{
			Source: r.doc.Source("ProxyJump"),
			Text:   "ProxyJump: the jump hosts lead in a circle: " + strings.Join(hops, " via "),
		})
		return nil
	}
	request, err := r.hopRequest(j, o)
	if err != nil {
		r.unusable(&Error{Source: r.doc.Source("ProxyJump"), Text: fmt.Sprintf("ProxyJump: %q: %v", j.spec, err)})
		return nil
	}
	via, hopErr := newResolver(r.ctx, request).resolve(hops)
	var lookup *LookupError
	switch {
	case errors.As(hopErr, &lookup) && !r.req.Inspect:
		return hopErr
	case hopErr != nil:
		r.unusable(&Error{
			Source: r.doc.Source("ProxyJump"),
			Text:   fmt.Sprintf("ProxyJump: jump host %s: %v", j.host, hopErr),
		})
		return nil
	}
	via.Forwards = nil // -W implies ClearAllForwardings
	o.Via = via
	for _, w := range via.Warnings {
		r.warn(w.Source, w.Keyword, w.Text)
	}
	return nil
}

// hopRequest writes the request for a hop, with the tokens of ProxyJump expanded.
func (r *resolver) hopRequest(j jump, o *Options) (Request, error) {
	tokens := pick(r.tokens(o.HostName, r.keyAlias()), "hknpr")
	flags := []Flag{{'N', ""}} // -W implies it
	add := func(letter byte, value string) error {
		value, err := expand(value, tokens, nil)
		if err == nil {
			flags = append(flags, Flag{letter, value})
		}
		return err
	}
	if j.userSet {
		if err := add('l', j.user); err != nil {
			return Request{}, err
		}
	}
	if j.port > 0 {
		flags = append(flags, Flag{'p', decimalText(j.port)})
	}
	if j.before != "" {
		if err := add('J', j.before); err != nil {
			return Request{}, err
		}
	}
	if r.configFile != "" {
		flags = append(flags, Flag{'F', r.configFile})
	}
	for range r.verbose {
		flags = append(flags, Flag{'v', ""})
	}
	host, err := expand(j.host, tokens, nil)
	return Request{Destination: host, Flags: flags, Environment: r.env, Inspect: r.req.Inspect, FlagsBefore: len(flags)}, err
}
