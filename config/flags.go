package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tunneld/tunneld/config/algorithm"
	"github.com/tunneld/tunneld/config/numeral"
)

var commandLine = Source{File: fromFlags}

// readFlags takes the flags and the destination in the order typed. A flag wins over the files; among flags the first wins
// where ssh(1) has it so, and the last elsewhere.
func (r *resolver) readFlags() error {
	before := min(max(r.req.FlagsBefore, 0), len(r.req.Flags))
	for i, flag := range r.req.Flags {
		if i == before {
			r.readDestination()
		}
		r.readFlag(flag)
	}
	if before == len(r.req.Flags) {
		r.readDestination()
	}
	return nil
}

// flagsWithoutEffect are about a protocol that is gone, or about where messages go, which the program sees to.
const flagsWithoutEffect = "2Ey"

func (r *resolver) readFlag(f Flag) {
	if r.setByLetter(f) {
		return
	}
	if strings.IndexByte(flagsWithoutEffect, f.Letter) >= 0 {
		return
	}
	read, ok := map[byte]func(string) string{
		'c': r.cipherFlag, 'D': r.forwardFlag(Dynamic), 'e': r.escapeFlag, 's': r.subsystemFlag, 'W': r.stdioFlag, 'F': r.fileFlag, 'f': r.backgroundFlag, 'i': r.identityFlag,
		'J': r.jumpFlag, 'K': r.delegateFlag, 'L': r.forwardFlag(Local), 'l': r.userFlag, 'M': r.masterFlag,
		'm': r.macFlag, 'N': r.noSessionFlag, 'o': r.optionFlag, 'P': r.tagFlag, 'p': r.portFlag,
		'R': r.forwardFlag(Remote), 't': r.terminalFlag, 'v': r.verboseFlag, 'Y': r.trustedFlag,
	}[f.Letter]
	if !ok {
		r.problem(&Error{Source: commandLine, Text: fmt.Sprintf("-%c is not an option that a tunnel takes", f.Letter)})
		return
	}
	if wrong := read(f.Value); wrong != "" {
		r.problem(&Error{Source: commandLine, Text: fmt.Sprintf("-%c %s: %s", f.Letter, f.Value, wrong)})
	}
}

// setByLetter takes the flags that set one option to one value or to their argument, whatever was set before.
func (r *resolver) setByLetter(f Flag) bool {
	for _, k := range table() {
		value, ok := k.letters[f.Letter]
		if !ok {
			continue
		}
		if value == anyValue {
			value = f.Value
		}
		r.doc.replace(k.name, value, commandLine)
		return true
	}
	return false
}

// The functions that read one flag return what is wrong with its argument; empty: nothing is.

func (r *resolver) fileFlag(path string) string {
	r.configFile = path
	return ""
}

// optionFlag is -o: one line as in a file.
func (r *resolver) optionFlag(text string) string {
	active := true
	r.process(text, commandLine, nil, &active)
	return ""
}

func (r *resolver) cipherFlag(list string) string {
	return r.algorithmFlag("Ciphers", &algorithm.Ciphers, list, true)
}

func (r *resolver) macFlag(list string) string {
	return r.algorithmFlag("MACs", &algorithm.MACs, list, false)
}

// algorithmFlag checks and sets a list; with signs it may begin with "+" or "^".
func (r *resolver) algorithmFlag(name string, kind *algorithm.Kind, list string, signs bool) string {
	names := list
	if signs && list != "" {
		names = algorithm.WithoutSign(list)
	}
	if wrong, ok := kind.Check(names); !ok {
		return fmt.Sprintf("%q is not a %s; known are %s", wrong, kind.What, strings.Join(kind.All, ", "))
	}
	r.doc.replace(name, list, commandLine)
	return ""
}

func (r *resolver) portFlag(text string) string {
	if r.doc.has("Port") {
		return ""
	}
	port, ok := numeral.Port(text)
	if !ok || port == 0 {
		return "not a port from 1 to 65535 or the name of a TCP service"
	}
	r.doc.set("Port", decimalText(port), commandLine)
	return ""
}

func (r *resolver) userFlag(name string) string {
	if r.doc.set("User", name, commandLine) {
		r.userTyped = true
	}
	return ""
}

// tagFlag is -P, which is a tag since OpenSSH 9.4.
func (r *resolver) tagFlag(tag string) string {
	r.doc.set("Tag", tag, commandLine)
	return ""
}

func (r *resolver) forwardFlag(kind Kind) func(string) string {
	return func(text string) string {
		forward, ok := parseForward(kind, text, r.env.Getenv)
		if !ok {
			return noPort(text) + "want " + forwardForms[kind]
		}
		r.addForward(forward, text, commandLine)
		return ""
	}
}

// identityFlag is -i. A file that does not exist is not used, as in ssh.
func (r *resolver) identityFlag(path string) string {
	path, err := expandTilde(path, r.env.Home)
	if err != nil {
		return err.Error()
	}
	if _, err := os.Stat(path); err != nil {
		r.warn(commandLine, "IdentityFile", fmt.Sprintf("identity file %s is not used: %v", path, reason(err)))
		return ""
	}
	r.addFile("IdentityFile", path, commandLine, byFlag)
	return ""
}

func (r *resolver) jumpFlag(spec string) string {
	switch {
	case r.doc.has("ProxyJump"):
		return "only one -J is allowed; separate several hops by commas"
	case r.doc.has("ProxyCommand"):
		return "not together with ProxyCommand"
	}
	jump, wrong := parseJump(spec, true)
	if wrong == "" {
		r.setJump(jump, commandLine)
	}
	return wrong
}

// noSessionFlag is -N, which every tunnel has; it is here for `tunneld config -N`.
func (r *resolver) noSessionFlag(string) string {
	if r.doc.has("SessionType") && !r.doc.is("SessionType", "none") {
		return "not together with SessionType " + r.doc.value("SessionType")
	}
	r.doc.replace("SessionType", "none", commandLine)
	r.doc.replace("RequestTTY", "false", commandLine)
	return ""
}

func (r *resolver) backgroundFlag(string) string {
	r.doc.replace("ForkAfterAuthentication", "yes", commandLine)
	r.doc.replace("StdinNull", "yes", commandLine)
	return ""
}

func (r *resolver) delegateFlag(string) string {
	r.doc.replace("GSSAPIAuthentication", "yes", commandLine)
	r.doc.replace("GSSAPIDelegateCredentials", "yes", commandLine)
	return ""
}

func (r *resolver) trustedFlag(string) string {
	r.doc.replace("ForwardX11", "yes", commandLine)
	r.doc.replace("ForwardX11Trusted", "yes", commandLine)
	return ""
}

func (r *resolver) masterFlag(string) string {
	value := "true"
	if r.doc.is("ControlMaster", "true") {
		value = "ask"
	}
	r.doc.replace("ControlMaster", value, commandLine)
	return ""
}

func (r *resolver) terminalFlag(string) string {
	value := "true"
	if r.doc.is("RequestTTY", "true") {
		value = "force"
	}
	r.doc.replace("RequestTTY", value, commandLine)
	return ""
}

// verboseFlag is -v: the first sets DEBUG, each further one the next level after the one that holds.
func (r *resolver) verboseFlag(string) string {
	level := slices.Index(logLevels, r.doc.value("LogLevel"))
	switch {
	case r.verbose == 0:
		r.verbose = 1
		r.doc.replace("LogLevel", "DEBUG", commandLine)
	case level < len(logLevels)-1:
		r.verbose++
		r.doc.replace("LogLevel", logLevels[level+1], commandLine)
	}
	return ""
}
