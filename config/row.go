package config

import (
	"strconv"
	"time"

	"github.com/tunneld/tunneld/config/algorithm"
)

// keyword is one option of ssh_config(5) or one of tunneld's own: a row of the table, with everything known about it. Functions
// such as flag and text make the usual rows; the methods below add what is unusual.
type keyword struct {
	name    string   // as the manual spells it
	others  []string // names that OpenSSH keeps since it renamed the option, in lower case
	wants   string   // what it takes, for messages: "not %s"
	rest    bool     // takes the rest of the line as it is
	parse   func(*line) *Error
	letters map[byte]string // options of ssh(1) that set it, with the value; anyValue: their argument

	initial []string          // the value where nobody sets it, as `ssh -G` prints it; none: unset, or decided in finish
	kind    *algorithm.Kind   // what a list of algorithms is completed with; nil: it is no such list
	isNone  func(string) bool // values that leave it unset; nil: there are none
	print   func(p *printer, keyword string)
	fill    func(r *resolver, o *Options) // turns the value into plain data; nil: it is only printed

	loss    string          // what is lost by setting it, for a warning; empty: it is honoured
	refusal string          // not empty: to go on without it would not be safe; what to do instead
	session bool            // the loss is of those who open no session
	none    string          // why it has no effect here and nobody misses it, which is worth no warning; empty: it has one
	check   func(*resolver) // finds out what else is not honoured; nil: nothing

	words []string // that it may have as a value, for completion; none: any others too

	meaning string // of tunneld's own keywords, for people; empty: the keyword is ssh's
}

// anyValue stands for the argument of an option of ssh(1).
const anyValue = "\x00"

// or is the value where nobody sets the keyword; several of one that may be given several times.
func (k keyword) or(values ...string) keyword {
	k.initial = values
	return k
}

// formerly are other names of the keyword.
func (k keyword) formerly(names ...string) keyword {
	k.others = names
	return k
}

// letter is an option of ssh(1) that sets the keyword to value, whatever was set before.
func (k keyword) letter(letter byte, value string) keyword {
	letters := map[byte]string{letter: value}
	for l, v := range k.letters {
		letters[l] = v
	}
	k.letters = letters
	return k
}

// orNone says that "none" is the same as unset.
func (k keyword) orNone() keyword {
	k.isNone = func(value string) bool { return lower(value) == "none" }
	return k
}

// neverEmpty says that a comment alone is no value.
func (k keyword) neverEmpty() keyword {
	parse := k.parse
	k.parse = func(l *line) *Error {
		if len(l.args) == 0 {
			return l.missing()
		}
		return parse(l)
	}
	return k
}

// unless says that one value, to the letter, is the same as unset.
func (k keyword) unless(none string) keyword {
	k.isNone = func(value string) bool { return value == none }
	return k
}

// takesRest is for a keyword whose parser reads the rest of the line by itself.
func (k keyword) takesRest() keyword {
	k.rest = true
	return k
}

// printed is how `ssh -G` shows the keyword where scalar does not do it.
func (k keyword) printed(print func(*printer, string)) keyword {
	k.print = print
	return k
}

// loses names what somebody who sets the keyword does not get.
func (k keyword) loses(text string) keyword {
	k.loss = text
	return k
}

// losesSession names what only a session can have; Request.Session says that one is opened.
func (k keyword) losesSession(text string) keyword {
	k.loss, k.session = text, true
	return k
}

// refused is for a keyword that must not be ignored where somebody sets it.
func (k keyword) refused(text, hint string) keyword {
	k.loss, k.refusal = text, hint
	return k
}

// moot says why the keyword has no effect here that anybody would miss: there is no warning.
func (k keyword) moot(why string) keyword {
	k.none = why
	return k
}

// offers are words that the shell's completion shows.
func (k keyword) offers(words ...string) keyword {
	k.words = words
	return k
}

// checked adds a check that looks at more than the keyword.
func (k keyword) checked(check func(*resolver)) keyword {
	k.check = check
	return k
}

// means makes the keyword one of tunneld's own.
func (k keyword) means(text string) keyword {
	k.meaning = text
	return k
}

// fills turns the value into plain data in a way of its own.
func (k keyword) fills(fill func(*resolver, *Options)) keyword {
	k.fill = fill
	return k
}

// to stores the value in a field of Options, depending on the field's type: a bool is true for all but "no" and "false", a
// duration is zero where the value is a word, a list takes every value.
func (k keyword) to(field func(*Options) any) keyword {
	return k.fills(func(r *resolver, o *Options) {
		value := r.doc.value(k.name)
		switch to := field(o).(type) {
		case *bool:
			*to = value != "" && value != "no" && value != "false"
		case *string:
			*to = value
		case *int:
			*to = r.integer(k.name)
		case *time.Duration:
			*to, _ = parseTime(value)
		case *uint32:
			mask, _ := strconv.ParseUint(value, 8, 32) // the keyword checked it
			*to = uint32(mask)
		case *[]string:
			*to = r.doc.values(k.name)
		case *MasterMode:
			*to = MasterMode(value)
		case *AddressFamily:
			*to = AddressFamily(value)
		case *StrictHostKeyChecking:
			*to = StrictHostKeyChecking(value)
		case *UpdateHostKeys:
			*to = UpdateHostKeys(value)
		case *HostKeyDNS:
			*to = HostKeyDNS(value)
		}
	})
}

// toPath stores a path with "~", tokens and variables expanded; "none" is empty.
func (k keyword) toPath(field func(*Options) *string) keyword {
	return k.fills(func(r *resolver, o *Options) {
		if path := r.doc.value(k.name); path != "" && lower(path) != "none" {
			*field(o), _ = r.path(k.name, path, r.tokens(r.host, r.keyAlias()))
		}
	})
}

// toNames stores the names of a comma-separated list.
func (k keyword) toNames(field func(*Options) *[]string) keyword {
	return k.fills(func(r *resolver, o *Options) { *field(o) = r.names(k.name) })
}

// toOwnNames is toNames for a list whose default is not OpenSSH's: where nobody sets it, the field stays nil.
func (k keyword) toOwnNames(field func(*Options) *[]string) keyword {
	return k.fills(func(r *resolver, o *Options) {
		if r.isSet(k.name) {
			*field(o) = r.names(k.name)
		}
	})
}

// isOwn reports whether the keyword is tunneld's and not ssh's.
func (k keyword) isOwn() bool { return k.meaning != "" }
