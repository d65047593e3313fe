package config

import "strings"

func parseChannelTimeout(l *line) *Error {
	wins := !l.r.doc.has("ChannelTimeout")
	for first := true; len(l.args) > 0; first = false {
		word := l.next()
		if err := loneNone(l, word, first); err != nil {
			return err
		}
		kind, time, ok := strings.Cut(word, "=")
		if _, valid := seconds(time); lower(word) != "none" && (!ok || kind == "" || !valid) {
			return l.bad(word)
		}
		if wins {
			l.add("ChannelTimeout", word)
		}
	}
	return nil
}

func parseObscure(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	value, ok := lookUp(yesNo, word)
	if !ok {
		interval, found := strings.CutPrefix(word, "interval:")
		number, valid := wholeNumber(interval, 1000)
		if !found || !valid || number == 0 {
			return l.bad(word)
		}
		value = word
	}
	l.set("ObscureKeystrokeTiming", value)
	return nil
}
