package config

import "github.com/tunneld/tunneld/config/numeral"

// state is a word that an option takes and the form in which `ssh -G` prints it.
type state struct{ word, printed string }

// The words of options that choose one of several. The first form of each value is the one that `ssh -G` prints, but for
// plain yes and no.
var (
	yesNo             = []state{{"yes", "yes"}, {"no", "no"}, {"true", "yes"}, {"false", "no"}}
	yesNoAsk          = []state{{"yes", "true"}, {"no", "false"}, {"ask", "ask"}, {"true", "true"}, {"false", "false"}}
	hostKeyChecking   = append(yesNoAsk[:len(yesNoAsk):len(yesNoAsk)], state{"off", "false"}, state{"accept-new", "accept-new"})
	families          = []state{{"any", "any"}, {"inet", "inet"}, {"inet6", "inet6"}}
	masters           = append(yesNoAsk[:len(yesNoAsk):len(yesNoAsk)], state{"auto", "auto"}, state{"autoask", "autoask"})
	tunnels           = []state{{"yes", "point-to-point"}, {"no", "false"}, {"point-to-point", "point-to-point"}, {"ethernet", "ethernet"}, {"true", "point-to-point"}, {"false", "false"}}
	terminals         = []state{{"yes", "true"}, {"no", "false"}, {"force", "force"}, {"auto", "auto"}, {"true", "true"}, {"false", "false"}}
	sessionTypes      = []state{{"none", "none"}, {"subsystem", "subsystem"}, {"default", "default"}}
	canonicalizations = []state{{"yes", "true"}, {"no", "false"}, {"always", "always"}, {"true", "true"}, {"false", "false"}}
	publicKeys        = []state{{"yes", "true"}, {"no", "false"}, {"unbound", "unbound"}, {"host-bound", "host-bound"}, {"true", "true"}, {"false", "false"}}
	compressions      = []state{{"yes", "yes"}, {"no", "no"}}
	addingKeys        = append(yesNoAsk[:len(yesNoAsk):len(yesNoAsk)], state{"confirm", "confirm"})
	weakCrypto        = []state{{"yes", "yes"}, {"no", "no"}, {"true", "yes"}, {"false", "no"}, {"no-pq-kex", "no"}} // the one warning that there is
	tcpKeepAlives     = []state{{"yes", "true"}, {"no", "false"}, {"true", "true"}, {"false", "false"}, {"transport", "true"}, {"all", "all"}}
)

// lookUp finds a word, whose case does not matter, and returns its printed form.
func lookUp(states []state, word string) (string, bool) {
	for _, s := range states {
		if lower(word) == s.word {
			return s.printed, true
		}
	}
	return "", false
}

// wording lists the words for a message: "one of any, inet, inet6".
func wording(states []state) string {
	text := "one of"
	for i, s := range states {
		if i > 0 {
			text += ","
		}
		text += " " + s.word
	}
	return text
}

// ways returns one word for each value.
func ways(states []state) []string {
	var words []string
	seen := map[string]bool{}
	for _, s := range states {
		if !seen[s.printed] {
			seen[s.printed], words = true, append(words, s.word)
		}
	}
	return words
}

// choice takes one of several words.
func choice(name string, states []state) keyword {
	return keyword{name: name, print: scalar, wants: wording(states), words: ways(states), parse: func(l *line) *Error {
		word := l.next()
		if word == "" {
			return l.missing()
		}
		value, ok := lookUp(states, word)
		if !ok {
			return l.bad(word)
		}
		l.set(name, value)
		return nil
	}}
}

// flag takes yes or no.
func flag(name string) keyword { return choice(name, yesNo) }

// text takes one word, whatever it is.
func text(name string) keyword {
	return keyword{name: name, print: scalar, wants: "one word", parse: func(l *line) *Error {
		word := l.next()
		if word == "" {
			return l.missing()
		}
		l.set(name, word)
		return nil
	}}
}

// repeated takes one word and may be given several times.
func repeated(name string, parse func(*line, string) *Error) keyword {
	return keyword{name: name, print: scalar, wants: "one file name", parse: func(l *line) *Error {
		word := l.next()
		if word == "" {
			return l.missing()
		}
		if !l.active {
			return nil
		}
		return parse(l, word)
	}}
}

// command takes the rest of the line, for a shell to read.
func command(name string) keyword {
	return keyword{name: name, print: scalar, wants: "a command", rest: true, parse: func(l *line) *Error {
		l.set(name, l.rest())
		return nil
	}}
}

// number takes a decimal number that a C int holds.
func number(name string) keyword {
	return keyword{name: name, print: scalar, wants: "a whole number", parse: func(l *line) *Error {
		word := l.next()
		if word == "" {
			return l.missing()
		}
		value, ok := numeral.Whole(word, maxInt)
		if !ok {
			return l.bad(word)
		}
		l.set(name, decimalText(int(value)))
		return nil
	}}
}

// duration takes a time; "none" leaves it as if unset.
func duration(name string) keyword {
	return keyword{name: name, print: scalar, wants: "a time such as 90, 1m30s or 2h, or none", parse: func(l *line) *Error {
		return l.duration(name)
	}}
}

func (l *line) duration(name string) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	if word == "none" {
		l.r.disabled(l, name)
		return nil
	}
	value, ok := numeral.Seconds(word)
	if !ok {
		return l.bad(word)
	}
	l.set(name, decimalText(value))
	return nil
}

// list takes any number of words; the first line with any wins. "none" must stand alone.
func list(name, wants string, max int, check func(*line, string) (string, *Error)) keyword {
	return keyword{name: name, print: scalar, wants: wants, parse: func(l *line) *Error {
		wins := !l.r.doc.has(name)
		for count := 1; len(l.args) > 0; count++ {
			word := l.next()
			if err := loneNone(l, word, count == 1); err != nil {
				return err
			}
			value, err := check(l, word)
			if err != nil {
				return err
			}
			if l.active && wins && count > max {
				return l.fail("more than %d values", max)
			}
			if !l.active || !wins {
				continue
			}
			l.add(name, value)
		}
		return nil
	}}
}

// loneNone refuses an empty word, and "none" in company. It must be called right after the word was taken.
func loneNone(l *line, word string, first bool) *Error {
	if word == "" {
		return l.fail("an argument is empty")
	}
	if lower(word) == "none" && (!first || len(l.args) > 0) {
		return l.fail("%q must stand alone", word)
	}
	return nil
}

// special takes what follows rules of its own.
func special(name, wants string, parse func(*line) *Error) keyword {
	return keyword{name: name, print: scalar, wants: wants, parse: parse}
}

// ignored takes anything and does nothing.
func ignored(name string) keyword {
	return keyword{name: name, parse: func(l *line) *Error {
		l.args = nil
		if l.active {
			l.r.doc.trace.ignored(l.source, l.written, "OpenSSH ignores this old option too")
		}
		return nil
	}}
}
