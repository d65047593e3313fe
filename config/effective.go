package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// options makes plain data of the finished document.
func (r *resolver) options() *Options {
	o := &Options{
		Alias:        r.alias,
		Matched:      r.doc.trace.named,
		HostName:     r.host,
		Port:         r.integer("Port"),
		User:         r.doc.value("User"),
		HostKeyAlias: r.doc.value("HostKeyAlias"),
		Tag:          r.doc.value("Tag"),
	}
	r.fillWay(o)
	r.fillAlgorithms(o)
	r.fillHostKeys(o)
	r.fillAuthentication(o)
	r.fillForwards(o)
	r.fillOwn(o)
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

func (r *resolver) yes(keyword string) bool { return r.doc.is(keyword, "yes", "true") }

func (r *resolver) isSet(keyword string) bool { return r.doc.Source(keyword).File != fromDefault }

func (r *resolver) fillWay(o *Options) {
	o.AddressFamily = AddressFamily(r.doc.value("AddressFamily"))
	o.BindAddress = r.doc.value("BindAddress")
	o.BindInterface = r.doc.value("BindInterface")
	o.ConnectTimeout = r.seconds("ConnectTimeout")
	o.ConnectionAttempts = r.integer("ConnectionAttempts")
	o.TCPKeepAlive = r.yes("TCPKeepAlive")
	interactive, bulk, _ := strings.Cut(r.doc.value("IPQoS"), " ")
	o.IPQoSInteractive, o.IPQoSBulk = qosByte(interactive), qosByte(bulk)
	limit, err := strconv.ParseUint(r.doc.value("RekeyLimit"), 10, 64)
	if err == nil {
		o.RekeyLimit = limit
	}
	o.RekeyInterval = r.seconds(rekeyInterval)
	o.ServerAliveInterval = r.seconds("ServerAliveInterval")
	o.ServerAliveCountMax = r.integer("ServerAliveCountMax")
	o.LogLevel = r.doc.value("LogLevel")
	if r.doc.has("ProxyJump") {
		return
	}
	r.used("ProxyCommand", pick(r.tokens(r.host, r.keyAlias()), "hknpr"), nil, &o.ProxyCommand)
}

// qosByte is the value of IPQoS as the kernel takes it; -1 leaves the kernel's.
func qosByte(name string) int {
	if value, ok := qosValue(name); ok && value != noQoS {
		return value
	}
	return -1
}

// used expands an option that ssh expands when it uses it, and `ssh -G` shows as written.
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

func (r *resolver) fillAlgorithms(o *Options) {
	for keyword, to := range map[string]*[]string{
		"Ciphers": &o.Ciphers, "MACs": &o.MACs, "KexAlgorithms": &o.KexAlgorithms,
		"HostKeyAlgorithms": &o.HostKeyAlgorithms, "PubkeyAcceptedAlgorithms": &o.PubkeyAcceptedAlgorithms,
		"CASignatureAlgorithms":       &o.CASignatureAlgorithms,
		"HostbasedAcceptedAlgorithms": &o.HostbasedAcceptedAlgorithms,
	} {
		if r.isSet(keyword) {
			*to = strings.Split(r.doc.value(keyword), ",")
		}
	}
	o.HostKeyAlgorithmsExact = r.exactHostKeys
	o.RequiredRSASize = r.integer("RequiredRSASize")
}

func (r *resolver) fillHostKeys(o *Options) {
	o.StrictHostKeyChecking = StrictHostKeyChecking(r.doc.value("StrictHostKeyChecking"))
	o.UserKnownHostsFile = r.doc.values("UserKnownHostsFile")
	for _, path := range r.doc.values("GlobalKnownHostsFile") {
		if expanded, ok := r.path("GlobalKnownHostsFile", path, nil); ok {
			o.GlobalKnownHostsFile = append(o.GlobalKnownHostsFile, expanded)
		}
	}
	o.KnownHostsCommand = r.knownHostsCommand()
	if path := r.doc.value("RevokedHostKeys"); path != "" {
		o.RevokedHostKeys, _ = r.path("RevokedHostKeys", path, r.tokens(r.host, r.keyAlias()))
	}
	o.CheckHostIP = r.yes("CheckHostIP")
	o.NoHostAuthForLocalhost = r.yes("NoHostAuthenticationForLocalhost")
	o.HashKnownHosts = r.yes("HashKnownHosts")
	o.UpdateHostKeys = UpdateHostKeys(r.doc.value("UpdateHostKeys"))
	o.VerifyHostKeyDNS = map[string]string{"true": "yes", "false": "no", "ask": "ask"}[r.doc.value("VerifyHostKeyDNS")]
}

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

// knownHostsCommand expands what is known before the command runs. The words are quoted so that SplitWords gives them back
// whatever a value holds, and a percent sign in a value is doubled for ExpandRuntimeTokens.
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

func (r *resolver) fillAuthentication(o *Options) {
	tokens := r.tokens(r.host, r.keyAlias())
	for _, e := range r.doc.entries("IdentityFile") {
		if lower(e.value) == "none" {
			continue
		}
		if path, ok := r.path("IdentityFile", e.value, tokens); ok {
			o.IdentityFile = append(o.IdentityFile, IdentityFile{path, e.source.File != fromDefault})
		}
	}
	for _, name := range r.doc.values("CertificateFile") {
		if path, ok := r.path("CertificateFile", name, tokens); ok {
			o.CertificateFile = append(o.CertificateFile, path)
		}
	}
	o.IdentityAgent = r.agent()
	o.IdentitiesOnly = r.yes("IdentitiesOnly")
	o.AddKeysToAgent = r.doc.value("AddKeysToAgent")
	o.PreferredAuthentications = authenticationMethods
	if r.isSet("PreferredAuthentications") {
		o.PreferredAuthentications = strings.Split(r.doc.value("PreferredAuthentications"), ",")
	}
	o.PubkeyAuthentication = !r.doc.is("PubkeyAuthentication", "false")
	o.PasswordAuthentication = r.yes("PasswordAuthentication")
	o.KbdInteractiveAuthentication = r.yes("KbdInteractiveAuthentication")
	o.NumberOfPasswordPrompts = r.integer("NumberOfPasswordPrompts")
	o.BatchMode = r.yes("BatchMode")
}

// authenticationMethods are all that ssh knows, in the order of ssh_config(5).
var authenticationMethods = []string{"gssapi-with-mic", "hostbased", "publickey", "keyboard-interactive", "password"}

// agent finds the agent's socket. "$NAME" is an old way to name a variable; where that is not set there is no agent.
func (r *resolver) agent() string {
	value := r.doc.value("IdentityAgent")
	name, variable := strings.CutPrefix(value, "$")
	switch {
	case value == "":
		return "SSH_AUTH_SOCK"
	case !variable:
		return value
	}
	if socket, ok := r.env.Getenv(name); ok {
		return socket
	}
	return "none"
}

func (r *resolver) fillForwards(o *Options) {
	o.Forwards = r.forwards
	o.GatewayPorts = r.yes("GatewayPorts")
	o.ExitOnForwardFailure = r.yes("ExitOnForwardFailure")
	if open := r.doc.values("PermitRemoteOpen"); len(open) > 0 && lower(open[0]) != "any" {
		o.PermitRemoteOpen = permittedOpens(open)
	}
	if mask, err := strconv.ParseUint(r.doc.value("StreamLocalBindMask"), 8, 32); err == nil {
		o.StreamLocalBindMask = uint32(mask)
	}
	o.StreamLocalBindUnlink = r.yes("StreamLocalBindUnlink")
	o.ClearAllForwardings = r.yes("ClearAllForwardings")
}

func (r *resolver) fillOwn(o *Options) {
	own := func(keyword string) time.Duration {
		value, ok := parseTime(r.doc.value(keyword))
		if !ok { // "none" and "no"
			return 0
		}
		return value
	}
	o.Hold = own("TunneldHold")
	o.Echo, _ = echoOf(r.doc.value("TunneldEcho"))
	o.EchoInterval = own("TunneldEchoInterval")
	o.BackoffMax = own("TunneldBackoffMax")
	o.Connections = r.integer("TunneldConnections")
	o.Drain = own("TunneldDrain")
	o.MaxLifetime = own("TunneldMaxLifetime")
	o.Lazy = own("TunneldLazy")
	file := func(keyword string) string {
		name := r.doc.value(keyword)
		if lower(name) == "none" {
			return ""
		}
		path, _ := r.path(keyword, name, r.tokens(r.host, r.keyAlias()))
		return path
	}
	o.PassphraseFile, o.PortFile = file("TunneldPassphraseFile"), file("TunneldPortFile")
}
