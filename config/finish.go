package config

import (
	"fmt"
	"os"
	"strings"
)

// applyDefaults puts defaults in the place of what nobody set, expands what `ssh -G` shows expanded, and refuses what ssh refuses
// before it connects. After it the document holds what Print shows.
func (r *resolver) applyDefaults() error {
	for _, step := range []func(){
		r.defaultAlive, r.defaultUpdates, r.stdioDefaults, r.defaults, r.algorithmDefaults, r.clearNone, r.expandUser, r.checkJumpAndCommand, r.hostKeyUpdates,
		r.checkSession, r.expandPaths, r.expandForwards,
	} {
		step()
		if len(r.problems) > 0 {
			return asError(r.problems)
		}
	}
	return nil
}

// byDefault stores the default of k unless it is set.
func (r *resolver) byDefault(k keyword) {
	if r.doc.has(k.name) {
		return
	}
	for _, value := range k.initial {
		r.doc.addDefault(k.name, value)
	}
}

// defaults fills what nobody set: from the table, and what depends on who and where we are.
func (r *resolver) defaults() {
	for _, k := range table() {
		r.byDefault(k)
	}
	r.doc.set(rekeyInterval, "0", Source{File: fromDefault})
	r.doc.set("User", r.env.LocalUser, Source{File: fromDefault})
	r.doc.set("Port", r.port(), Source{File: fromDefault})
	if r.doc.is("ClearAllForwardings", "yes") {
		r.forwards = nil
		for _, name := range []string{"LocalForward", "RemoteForward", "DynamicForward"} {
			r.doc.remove(name, nil)
		}
		r.doc.replace("Tunnel", "false", r.doc.Source("ClearAllForwardings"))
	}
}

// defaultAlive fills ServerAliveInterval where somebody wrote "none", who gets what ssh makes of it.
func (r *resolver) defaultAlive() {
	from, none := r.none["ServerAliveInterval"]
	switch {
	case none && r.doc.is("BatchMode", "yes"): // of Debian's OpenSSH
		r.doc.set("ServerAliveInterval", "300", from)
	case none:
		r.doc.set("ServerAliveInterval", "0", from)
	}
}

const userHostKeys = "~/.ssh/known_hosts"

// defaultUpdates turns UpdateHostKeys on where nobody set it and the user's files of known hosts are the usual ones.
func (r *resolver) defaultUpdates() {
	files := r.doc.values("UserKnownHostsFile")
	usual := len(files) == 0 || len(files) == 1 && files[0] == userHostKeys
	if usual && (!r.doc.has("VerifyHostKeyDNS") || r.doc.is("VerifyHostKeyDNS", "false")) {
		r.doc.set("UpdateHostKeys", "true", Source{File: fromDefault})
	}
}

// algorithmKeywords are the lists of algorithms in the order in which OpenSSH completes them; HostKeyAlgorithms it completes
// only when it uses them.
var algorithmKeywords = []string{
	"Ciphers", "MACs", "KexAlgorithms", "HostbasedAcceptedAlgorithms", "PubkeyAcceptedAlgorithms", "CASignatureAlgorithms",
	"HostKeyAlgorithms",
}

// algorithmDefaults replaces each list by the names that it stands for. A list that stands for none does not stop `ssh -G`: it
// skips the rest of its defaults, and so leaves the lists that follow as they were written.
func (r *resolver) algorithmDefaults() {
	for _, name := range algorithmKeywords {
		last, kind := name == "HostKeyAlgorithms", keywords()[lower(name)].kind
		if r.incomplete && !last {
			continue
		}
		list, from := r.doc.value(name), r.doc.Source(name)
		r.exactHostKeys = last && list != "" && list[0] != '+' && list[0] != '-'
		names, ok := kind.Assemble(list)
		if ok {
			r.doc.replace(name, strings.Join(names, ","), from)
			continue
		}
		problem := &Error{Source: from, Text: fmt.Sprintf("%s: %q leaves no %s; known are %s", name, list, kind.What, strings.Join(kind.All, ", "))}
		if last {
			r.problem(problem)
			return
		}
		r.unusable(problem)
		r.doc.remove(name, nil)
		r.incomplete = true
	}
}

// clearNone removes the options for which "none" is the same as unset.
func (r *resolver) clearNone() {
	isNone := func(value string) bool { return lower(value) == "none" }
	r.doc.remove("GlobalKnownHostsFile", isNone)
	r.doc.remove("UserKnownHostsFile", isNone)
	if r.incomplete {
		return
	}
	for _, k := range table() {
		if k.isNone != nil {
			r.doc.remove(k.name, k.isNone)
		}
	}
}

func (r *resolver) checkJumpAndCommand() {
	r.doc.replace("HostName", r.host, r.doc.Source("HostName"))
	r.checkJump(r.host)
	if r.doc.has("ProxyJump") {
		r.doc.replace("ProxyUseFdpass", "no", r.doc.Source("ProxyUseFdpass"))
	}
	if r.doc.is("ProxyUseFdpass", "yes") && r.doc.is("ProxyCommand", "-") {
		r.problem(&Error{Source: r.doc.Source("ProxyUseFdpass"), Text: "ProxyUseFdpass: not together with ProxyCommand -"})
	}
	if r.doc.has("HostKeyAlias") {
		r.doc.replace("HostKeyAlias", lower(r.doc.value("HostKeyAlias")), r.doc.Source("HostKeyAlias"))
	}
}

// hostKeyUpdates turns "UpdateHostKeys ask" off where ssh sees that nobody can be asked.
func (r *resolver) hostKeyUpdates() {
	if !r.doc.is("UpdateHostKeys", "ask") {
		return
	}
	persistent := !r.doc.is("ControlPersist", "no") && r.doc.has("ControlPath")
	if persistent || r.doc.has("RemoteCommand") || r.doc.is("RequestTTY", "false") || r.doc.is("LogLevel", "QUIET", "FATAL", "ERROR") {
		r.doc.replace("UpdateHostKeys", "false", r.doc.Source("UpdateHostKeys"))
	}
}

func (r *resolver) checkSession() {
	if attempts := r.doc.value("ConnectionAttempts"); attempts == "0" {
		r.problem(&Error{Source: r.doc.Source("ConnectionAttempts"), Text: "ConnectionAttempts: 0 is not a number of attempts; want at least 1"})
	}
	// A tunnel has no session: this can come up only when a configuration is inspected.
	if r.req.Inspect && r.doc.is("ForkAfterAuthentication", "yes") && !r.doc.has("RemoteCommand") && !r.doc.is("SessionType", "none") {
		r.problem(&Error{
			Source: r.doc.Source("ForkAfterAuthentication"),
			Text:   "ForkAfterAuthentication: ssh needs a command to run, or SessionType none",
		})
	}
	if user := r.doc.value("User"); r.userTyped && !validUser(user) {
		r.problem(&Error{Source: commandLine, Text: fmt.Sprintf("the user name %q has characters that are not allowed", user)})
	}
}

// keyAlias is %k: HostKeyAlias, or the host as typed.
func (r *resolver) keyAlias() string {
	if r.doc.has("HostKeyAlias") {
		return r.doc.value("HostKeyAlias")
	}
	return r.alias
}

// expandPaths expands what `ssh -G` shows expanded. What ssh expands only when it uses it stays in the document as written.
func (r *resolver) expandPaths() {
	tokens := r.tokens(r.host, r.keyAlias())
	withHome := func(value string) (string, error) {
		value, err := expandTilde(value, r.env.Home)
		if err != nil {
			return "", err
		}
		return expand(value, tokens, r.env.Getenv)
	}
	for _, name := range []string{"RemoteCommand", "VersionAddendum"} {
		r.rewrite(name, func(value string) (string, error) { return expand(value, tokens, nil) })
	}
	r.rewrite("SetEnv", func(value string) (string, error) { return setEnvValue(value, tokens, r.env.Getenv) })
	for _, name := range []string{"ControlPath", "IdentityAgent", forwardedSocket, "UserKnownHostsFile", "RevokedHostKeys"} {
		r.rewrite(name, withHome)
	}
	if path := r.doc.value(forwardedSocket); path != "" && r.doc.is("ExitOnForwardFailure", "yes") {
		if _, err := os.Stat(path); err != nil {
			r.problem(&Error{Source: r.doc.Source(forwardedSocket), Text: fmt.Sprintf("ForwardAgent: %s: %v", path, reason(err))})
		}
	}
}

func (r *resolver) rewrite(keyword string, change func(string) (string, error)) {
	if err := r.doc.rewrite(keyword, change); err != nil {
		name, _, _ := strings.Cut(keyword, " ")
		r.problem(&Error{Source: r.doc.Source(keyword), Text: fmt.Sprintf("%s: %q: %v", name, r.doc.value(keyword), err)})
	}
}

// expandForwards expands the tokens in the paths of sockets, and keeps the source of each forward.
func (r *resolver) expandForwards() {
	tokens := r.tokens(r.host, r.keyAlias())
	sources := r.doc.entries("LocalForward", "RemoteForward", "DynamicForward")
	for i := range r.forwards {
		f := &r.forwards[i]
		f.Source = sources[i].source
		for _, path := range []*string{&f.Listen.Path, &f.Target.Path} {
			expanded, err := expand(*path, tokens, nil)
			if err != nil {
				r.problem(&Error{Source: f.Source, Text: fmt.Sprintf("%s: %q: %v", f.keyword(), *path, err)})
				continue
			}
			*path = expanded
		}
	}
}
