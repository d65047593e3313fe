package config

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// options makes plain data of the finished document.
func (r *resolver) options() *Options {
	o := &Options{
		Account:                r.env.account(),
		Alias:                  r.alias,
		Matched:                r.doc.trace.named,
		Unread:                 r.unreadFiles,
		HostName:               r.host,
		HostKeyAlgorithmsExact: r.exactHostKeys,
		Forwards:               r.forwards,
	}
	for _, k := range table() {
		if k.fill != nil {
			k.fill(r, o)
		}
	}
	r.checkHonoured()
	return o
}

func (r *resolver) integer(keyword string) int {
	value, err := strconv.Atoi(r.doc.value(keyword))
	if err != nil { // the keyword checked it, or it is unset
		return 0
	}
	return value
}

func (r *resolver) seconds(keyword string) time.Duration {
	return time.Duration(r.integer(keyword)) * time.Second
}

// names returns the parts of a comma-separated list; nil where it is unset.
func (r *resolver) names(keyword string) []string {
	if !r.doc.has(keyword) {
		return nil
	}
	return strings.Split(r.doc.value(keyword), ",")
}

func (r *resolver) yes(keyword string) bool { return r.doc.is(keyword, "yes", "true") }

func (r *resolver) isSet(keyword string) bool { return r.doc.Source(keyword).File != fromDefault }

func (r *resolver) fillIPQoS(o *Options) {
	interactive, _, _ := strings.Cut(r.doc.value("IPQoS"), " ")
	o.IPQoS = qosByte(interactive)
}

func (r *resolver) fillRekeyLimit(o *Options) {
	o.RekeyLimit, _ = strconv.ParseUint(r.doc.value("RekeyLimit"), 10, 64) // 0 where it is out of range
	o.RekeyInterval = r.seconds(rekeyInterval)
}

func (r *resolver) fillProxyCommand(o *Options) {
	if !r.doc.has("ProxyJump") {
		r.used("ProxyCommand", pick(r.tokens(r.host, r.keyAlias()), "hknpr"), nil, &o.ProxyCommand)
	}
}

// qosByte returns the value of IPQoS as the kernel takes it; -1 leaves the kernel's own.
func qosByte(name string) int {
	if value, ok := qosValue(name); ok && value != noQoS {
		return value
	}
	return -1
}

// used expands an option that ssh expands only on use, and that `ssh -G` therefore shows as written.
func (r *resolver) used(keyword string, tokens map[byte]string, getenv func(string) (string, bool), to *string) {
	text := r.doc.value(keyword)
	if text == "" {
		return
	}
	expanded, err := expand(text, tokens, getenv)
	if err != nil {
		r.unusable(&Error{Source: r.doc.Source(keyword), Text: fmt.Sprintf("%s: %q: %v", keyword, text, err)})
		return
	}
	*to = expanded
}

func (r *resolver) fillGlobalKnownHosts(o *Options) {
	for _, path := range r.doc.values("GlobalKnownHostsFile") {
		if expanded, ok := r.path("GlobalKnownHostsFile", path, nil); ok {
			o.GlobalKnownHostsFile = append(o.GlobalKnownHostsFile, expanded)
		}
	}
}

func (r *resolver) fillKnownHostsCommand(o *Options) { o.KnownHostsCommand = r.knownHostsCommand() }

// path expands "~", and tokens and variables where tokens is not nil.
func (r *resolver) path(keyword, path string, tokens map[byte]string) (string, bool) {
	expanded, err := expandTilde(path, r.env.Home)
	if err == nil && tokens != nil {
		expanded, err = expand(expanded, tokens, r.env.Getenv)
	}
	if err != nil {
		r.unusable(&Error{Source: r.sourceOf(keyword, path), Text: fmt.Sprintf("%s: %q: %v", keyword, path, err)})
		return "", false
	}
	return expanded, true
}

// sourceOf finds where one of several values came from.
func (r *resolver) sourceOf(keyword, value string) Source {
	for _, e := range r.doc.entries(keyword) {
		if e.value == value {
			return e.source
		}
	}
	return r.doc.Source(keyword)
}

// knownHostsCommand expands what is known before the command runs. Words are quoted so that SplitWords returns them unchanged
// whatever they hold, and percent signs in values are doubled for ExpandRuntimeTokens.
func (r *resolver) knownHostsCommand() string {
	text := r.doc.value("KnownHostsCommand")
	words, err := SplitWords(text)
	if err != nil {
		r.unusable(&Error{Source: r.doc.Source("KnownHostsCommand"), Text: fmt.Sprintf("KnownHostsCommand: %v in %q", err, text)})
		return ""
	}
	double := func(text string) string { return strings.ReplaceAll(text, "%", "%%") }
	tokens := map[byte]string{'H': "%H", 'I': "%I", 'K': "%K", 't': "%t", 'f': "%f"}
	for letter, value := range r.tokens(r.host, r.keyAlias()) {
		tokens[letter] = double(value)
	}
	getenv := func(name string) (string, bool) {
		value, ok := r.env.Getenv(name)
		return double(value), ok
	}
	for i, word := range words {
		if i == 0 { // the program itself takes no tokens
			words[i] = double(word)
			continue
		}
		if words[i], err = expand(strings.ReplaceAll(word, "%%", "%%%%"), tokens, getenv); err != nil {
			r.unusable(&Error{Source: r.doc.Source("KnownHostsCommand"), Text: fmt.Sprintf("KnownHostsCommand: %q: %v", word, err)})
			return ""
		}
	}
	return joinWords(words)
}

func (r *resolver) fillIdentityFiles(o *Options) {
	tokens := r.tokens(r.host, r.keyAlias())
	for _, e := range r.doc.entries("IdentityFile") {
		if lower(e.value) == "none" {
			continue
		}
		if path, ok := r.path("IdentityFile", e.value, tokens); ok {
			o.IdentityFile = append(o.IdentityFile, IdentityFile{path, e.source.File != fromDefault})
		}
	}
}

func (r *resolver) fillCertificateFiles(o *Options) {
	tokens := r.tokens(r.host, r.keyAlias())
	for _, name := range r.doc.values("CertificateFile") {
		if path, ok := r.path("CertificateFile", name, tokens); ok {
			o.CertificateFile = append(o.CertificateFile, path)
		}
	}
}

func (r *resolver) fillMethods(o *Options) {
	o.PreferredAuthentications = authenticationMethods
	if r.isSet("PreferredAuthentications") {
		o.PreferredAuthentications = r.names("PreferredAuthentications")
	}
}

// authenticationMethods are all that ssh knows, in the order of ssh_config(5).
var authenticationMethods = []string{"gssapi-with-mic", "hostbased", "publickey", "keyboard-interactive", "password"}

// fillAgent finds the agent's socket. "$NAME" is an old way to name a variable. A variable that is not set, or is empty, means
// no agent.
func (r *resolver) fillAgent(o *Options) {
	value := r.doc.value("IdentityAgent")
	name, variable := strings.CutPrefix(value, "$")
	switch {
	case value == "none":
	case value == "" || value == agentVariable:
		var set bool
		if o.IdentityAgent, set = r.env.Getenv(agentVariable); !set {
			o.IdentityAgent = defaultAgent
		}
	case variable:
		o.IdentityAgent, _ = r.env.Getenv(name)
	default:
		o.IdentityAgent = value
	}
}

// agentVariable names the agent's socket where IdentityAgent does not.
const agentVariable = "SSH_AUTH_SOCK"

// fillSecurityKey decides how keys in a FIDO token sign. "$NAME" stands for the value of a variable; where that is not set, they do
// not (main of OpenSSH's ssh.c).
func (r *resolver) fillSecurityKey(o *Options) {
	provider := r.doc.value("SecurityKeyProvider")
	name, variable := strings.CutPrefix(provider, "$")
	switch {
	case lower(provider) == "none":
		provider = ""
	case variable && name != "":
		provider, _ = r.env.Getenv(name)
	}
	o.SecurityKeyProvider = provider
	o.SecurityKeyHelper, _ = r.env.Getenv("SSH_SK_HELPER")
}

func (r *resolver) fillPermitRemoteOpen(o *Options) {
	if open := r.doc.values("PermitRemoteOpen"); len(open) > 0 && lower(open[0]) != "any" {
		o.PermitRemoteOpen = permittedOpens(open)
	}
}

// fillConnectTimeout puts a limit where there is none, because an attempt that never ends keeps a tunnel down.
func (r *resolver) fillConnectTimeout(o *Options) {
	o.ConnectTimeout = cmp.Or(r.seconds("ConnectTimeout"), DefaultConnectTimeout)
}
