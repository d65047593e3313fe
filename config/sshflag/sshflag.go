// Package sshflag is the grammar of ssh(1)'s options: which there are, which have an argument, and how they are read from words.
package sshflag

import (
	"fmt"
	"strings"
)

// The options of ssh(1) that take an argument, and those that take none. -P is a tag, as it has been since OpenSSH 9.4.
const (
	lettersWithValue = "BDEFIJLOPQRSWbceilmopw"
	lettersAlone     = "1246AaCfGgKkMNnqsTtVvXxYy"
)

// Flag is one option of ssh(1) from the command line; it converts to config.Flag.
type Flag struct {
	Letter byte   // 'L' for -L
	Value  string // empty for options without an argument
}

// TakesValue reports whether an option of ssh(1) takes an argument, and whether ssh(1) has the option at all.
func TakesValue(letter byte) (takes, known bool) {
	takes = strings.IndexByte(lettersWithValue, letter) >= 0
	return takes, takes || strings.IndexByte(lettersAlone, letter) >= 0
}

// Error is an option that is none, or that came without its argument.
type Error struct {
	Letter  byte
	Missing bool // the option is known, and its argument is missing
}

func (e *Error) Error() string {
	if e.Missing {
		return fmt.Sprintf("option requires an argument -- %c", e.Letter)
	}
	return fmt.Sprintf("unknown option -- %c", e.Letter)
}

// Read reads options from the front of words as ssh does: clustered or not, an argument in the same word or in the next
// one. It stops at the first word that is no option. rest is what was not read; ended is true where it stopped behind a "--".
// takes says what a letter is; nil stands for TakesValue. With an error, which is a *Error, flags holds what came before.
func Read(words []string, takes func(letter byte) (takes, known bool)) (flags []Flag, rest []string, ended bool, err error) {
	if takes == nil {
		takes = TakesValue
	}
	for len(words) > 0 {
		word := words[0]
		if word == "--" {
			return flags, words[1:], true, nil
		}
		if len(word) < 2 || word[0] != '-' {
			break
		}
		words = words[1:]
		for i := 1; i < len(word); i++ {
			f := Flag{Letter: word[i]}
			value, known := takes(f.Letter)
			switch {
			case !known:
				return flags, words, false, &Error{Letter: f.Letter}
			case value && i+1 < len(word):
				f.Value, i = word[i+1:], len(word)
			case value && len(words) == 0:
				return flags, words, false, &Error{Letter: f.Letter, Missing: true}
			case value:
				f.Value, words = words[0], words[1:]
			}
			flags = append(flags, f)
		}
	}
	return flags, words, false, nil
}
