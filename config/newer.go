package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tunneld/tunneld/config/numeral"
)

// Options that OpenSSH got, or that got another meaning, since 9.3.

func parseChannelTimeout(l *line) *Error {
	wins := !l.r.doc.has("ChannelTimeout")
	for first := true; len(l.args) > 0; first = false {
		word := l.next()
		if err := loneNone(l, word, first); err != nil {
			return err
		}
		if _, ok := channelTimeout(word); lower(word) != "none" && !ok {
			return l.bad(word)
		}
		if wins {
			l.add("ChannelTimeout", word)
		}
	}
	return nil
}

// channelTimeout reads TYPE=TIME, whose time may have a fraction.
func channelTimeout(word string) (ChannelTimeout, bool) {
	kind, text, ok := strings.Cut(word, "=")
	if !ok || kind == "" {
		return ChannelTimeout{}, false
	}
	if whole, ok := numeral.Seconds(text); ok {
		return ChannelTimeout{kind, time.Duration(whole) * time.Second}, true
	}
	value, err := strconv.ParseFloat(strings.TrimRight(text, "sS"), 64)
	if err != nil || !(value >= 0 && value < maxInt) || len(strings.TrimRight(text, "sS")) < len(text)-1 {
		return ChannelTimeout{}, false
	}
	return ChannelTimeout{kind, time.Duration(value * float64(time.Second))}, true
}

func parseObscure(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	value, ok := lookUp(yesNo, word)
	if !ok {
		interval, found := strings.CutPrefix(word, "interval:")
		number, valid := numeral.Whole(interval, 1000)
		if !found || !valid || number == 0 {
			return l.bad(word)
		}
		if value = decimalText(int(number)); number == 20 { // the default
			value = "yes"
		}
	}
	l.set("ObscureKeystrokeTiming", value)
	return nil
}

// fillChannelTimeouts turns the rules into plain data.
func (r *resolver) fillChannelTimeouts(o *Options) {
	for _, word := range r.doc.values("ChannelTimeout") {
		if rule, ok := channelTimeout(word); ok {
			o.ChannelTimeout = append(o.ChannelTimeout, rule)
		}
	}
}

// expandUser puts values in the place of tokens and variables, but in a name that was typed.
func (r *resolver) expandUser() {
	if r.userTyped || !r.doc.has("User") {
		return
	}
	tokens := r.tokens(r.host, r.keyAlias())
	delete(tokens, 'r')
	delete(tokens, 'C')
	r.rewrite("User", func(value string) (string, error) {
		name, err := expand(value, tokens, r.env.Getenv)
		if err == nil && name != value && !validUser(name) {
			err = fmt.Errorf("%q has characters that are not allowed", name)
		}
		return name, err
	})
}

// setEnvValue expands the value of a variable, not its name.
func setEnvValue(word string, tokens map[byte]string, getenv func(string) (string, bool)) (string, error) {
	name, value, _ := strings.Cut(word, "=")
	expanded, err := expand(value, tokens, getenv)
	return name + "=" + expanded, err
}

// parseVersionAddendum takes the rest of the line; "none" is empty.
func parseVersionAddendum(l *line) *Error {
	text := l.rest()
	if lower(text) == "none" {
		text = ""
	}
	l.set("VersionAddendum", text)
	return nil
}

// fillVersionAddendum checks what is said of us.
func (r *resolver) fillVersionAddendum(o *Options) {
	o.VersionAddendum = r.doc.value("VersionAddendum")
	for _, c := range []byte(o.VersionAddendum) {
		if c < ' ' || c >= 0x7f {
			r.unusable(&Error{Source: r.doc.Source("VersionAddendum"), Text: fmt.Sprintf("VersionAddendum: %q has characters that no version has (RFC 4253)", o.VersionAddendum)})
			return
		}
	}
	if len(o.VersionAddendum) > maxAddendum {
		r.unusable(&Error{Source: r.doc.Source("VersionAddendum"), Text: fmt.Sprintf("VersionAddendum: more than %d bytes", maxAddendum)})
	}
}

// maxAddendum is what a version line of 255 bytes has room for (RFC 4253 §4.2).
const maxAddendum = 200

func (r *resolver) fillWarnWeakCrypto(o *Options) {
	if r.isSet("WarnWeakCrypto") {
		o.WarnWeakCrypto = WeakCrypto(r.doc.value("WarnWeakCrypto"))
	}
}
