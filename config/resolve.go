package config

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/config/numeral"
)

// Resolve finds the effective options of a destination, as ssh(1) does: the flags, then the user's file, then the system's;
// the first value wins. Where a file asks for it, names are looked up and the files are read a second time. Jump hosts are
// resolved with their own settings into Options.Via.
//
// Every mistake in the configuration is reported at once, as an *Error or Errors. A *LookupError means that CanonicalizeHostname
// could not resolve a name, and may pass. Commands of "Match exec" end with ctx.
func Resolve(ctx context.Context, req Request) (*Options, error) {
	return newResolver(ctx, req).resolve(nil)
}

// resolver is the state while the configuration of one destination is read, as ssh's main and readconf.c keep it.
type resolver struct {
	ctx context.Context
	env Environment
	req Request
	doc document

	alias      string   // the host as typed
	host       string   // what Host patterns match: alias, and in the second pass the resolved name
	configFile string   // -F
	stdio      Endpoint // -W
	verbose    int      // how often -v was given
	wantFinal  bool     // a file asked for the second pass
	final      bool     // the second pass: HostName is what was resolved, without tokens
	userTyped  bool     // the user came from the destination or -l
	stopped    bool     // nothing more is read: files include each other without an end, or too much is wrong
	ordinary   bool     // the last line had a keyword of the table
	incomplete bool     // a list of algorithms stands for none; see algorithmDefaults

	exactHostKeys bool // HostKeyAlgorithms was written out or begins with ^

	forwards    []Forward         // as in the document, for the search of duplicates
	seenFiles   map[string]bool   // key files by origin, for the search of duplicates
	none        map[string]Source // times that were set to "none", which leaves them unset
	problems    []*Error
	unreadFiles []*Error // that are there
	warnings    []Warning
}

func newResolver(ctx context.Context, req Request) *resolver {
	if req.Environment.Getenv == nil {
		req.Environment.Getenv = func(string) (string, bool) { return "", false }
	}
	if req.Environment.Once == nil {
		req.Environment.Once = new(Once)
	}
	return &resolver{
		ctx:       ctx,
		env:       req.Environment,
		req:       req,
		doc:       newDocument(),
		seenFiles: map[string]bool{},
		none:      map[string]Source{},
	}
}

// resolve goes through the steps of ssh's main. hops are the jump hosts on the way that led here.
func (r *resolver) resolve(hops []string) (*Options, error) {
	for _, step := range []func() error{r.readFlags, r.checkDestination, r.readFirst, r.canonicalize, r.readAgain, r.applyDefaults} {
		if err := step(); err != nil {
			return nil, err
		}
		if len(r.problems) > 0 {
			return nil, asError(r.problems)
		}
	}
	o := r.options()
	if len(r.problems) == 0 && r.ctx.Err() == nil {
		if err := r.resolveJump(o, hops); err != nil {
			return nil, err
		}
		r.checkSecrets(o)
	}
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	if len(r.problems) > 0 {
		return nil, asError(r.problems)
	}
	o.Warnings = r.warnings
	o.document = r.doc
	return o, nil
}

// troubles counts what has been noted so far.
func (r *resolver) troubles() int { return len(r.problems) + len(r.warnings) + len(r.unreadFiles) }

// maxProblems is how many mistakes are reported; a file with more is no configuration.
const maxProblems = 100

// problem notes a mistake, once even where its file is included twice.
func (r *resolver) problem(err *Error) {
	if len(r.problems) >= maxProblems {
		r.stopped = true
		return
	}
	if !slices.ContainsFunc(r.problems, func(known *Error) bool { return *known == *err }) {
		r.problems = append(r.problems, err)
	}
}

// unusable notes a mistake that keeps a tunnel from running but that `ssh -G` accepts.
func (r *resolver) unusable(err *Error) {
	if !r.req.Inspect {
		r.problem(err)
		return
	}
	r.warn(err.Source, "", err.Text)
}

func (r *resolver) warn(from Source, keyword, text string) {
	r.note(Warning{Source: from, Keyword: keyword, Text: foreign.Own(text).String()})
}

// note keeps a warning, once.
func (r *resolver) note(w Warning) {
	if !slices.Contains(r.warnings, w) {
		r.warnings = append(r.warnings, w)
	}
}

// disabled notes a time that is "none".
func (r *resolver) disabled(l *line, name string) {
	if _, ok := r.none[name]; l.active && !ok {
		r.none[name] = l.source
	}
}

func (r *resolver) readFirst() error {
	r.host = r.alias
	r.readFiles(false)
	return r.ctx.Err()
}

func (r *resolver) readAgain() error {
	if r.wantFinal {
		r.final = true
		r.readFiles(true)
	}
	return r.ctx.Err()
}

// checkDestination refuses names that could be taken for options or for more than a name by a shell.
func (r *resolver) checkDestination() error {
	if user := r.doc.value("User"); r.doc.has("User") && !validUser(user) {
		return &Error{Source: r.doc.Source("User"), Text: fmt.Sprintf("the user name %q has characters that are not allowed", user)}
	}
	if !validHost(r.alias) {
		return &Error{Source: Source{File: fromFlags}, Text: fmt.Sprintf("the host name %q has characters that are not allowed", r.alias)}
	}
	if r.doc.is("SessionType", "subsystem") && (!r.req.Session || r.req.Inspect && r.req.Command == "") {
		return &Error{Source: r.doc.Source("SessionType"), Text: "SessionType: a tunnel has no subsystem to ask for"}
	}
	return nil
}

func validHost(name string) bool {
	if strings.HasPrefix(name, "-") {
		return false
	}
	for i := range len(name) {
		if c := name[i]; isControl(c) || c == ' ' || strings.IndexByte("'`\"$\\;&<>|(){},", c) >= 0 {
			return false
		}
	}
	return true
}

func validUser(name string) bool {
	if strings.HasPrefix(name, "-") || strings.HasSuffix(name, `\`) {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if isControl(c) || strings.IndexByte("'`\";&<>|(){}$\\", c) >= 0 || c == ' ' && strings.HasPrefix(name[i+1:], "-") {
			return false
		}
	}
	return true
}

func isControl(c byte) bool { return c < ' ' || c == 0x7f }

// The values that Match and tokens see while the files are read. OpenSSH takes what it has got so far.

// remoteUser returns the user to log in as, so far.
func (r *resolver) remoteUser() string {
	if r.doc.has("User") {
		return r.doc.value("User")
	}
	return r.env.LocalUser
}

// matchedHost returns what "Match host" compares with: HostName so far, else the host.
func (r *resolver) matchedHost() (string, error) {
	if !r.doc.has("HostName") {
		return r.host, nil
	}
	if r.final {
		return r.doc.value("HostName"), nil
	}
	host, err := expand(r.doc.value("HostName"), map[byte]string{'h': r.host}, nil)
	if err == nil && len(host) >= maxHostName { // "%h.%h" through a chain of jump hosts would double it at each
		err = fmt.Errorf("a name of %d bytes is too long", len(host))
	}
	return host, err
}

func (r *resolver) port() string {
	if r.doc.has("Port") {
		return r.doc.value("Port")
	}
	return decimalText(numeral.SSHPort())
}

// matchTokens are the tokens of "Match exec".
func (r *resolver) matchTokens() map[byte]string {
	host, err := r.matchedHost()
	if err != nil {
		host = r.host
	}
	keyAlias := host
	if r.doc.has("HostKeyAlias") {
		keyAlias = r.doc.value("HostKeyAlias")
	}
	return r.tokens(host, keyAlias)
}

// tokens are the tokens that most options take (ssh_config(5) TOKENS).
func (r *resolver) tokens(host, keyAlias string) map[byte]string {
	short, _, _ := strings.Cut(r.env.HostName, ".")
	return map[byte]string{
		'C': connectionHash(r.env.HostName, host, r.port(), r.remoteUser(), lastJump(r.doc.value("ProxyJump"))),
		'L': short,
		'd': r.env.Home,
		'h': host,
		'i': decimalText(r.env.UID),
		'j': lastJump(r.doc.value("ProxyJump")),
		'k': keyAlias,
		'l': r.env.HostName,
		'n': r.alias,
		'p': r.port(),
		'r': r.remoteUser(),
		'u': r.env.LocalUser,
	}
}
