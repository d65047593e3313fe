package sshpattern

import "strings"

// MatchPattern reports whether text matches pattern, in which "*" stands for any bytes and "?" for one (ssh_config(5) PATTERNS).
// Its time is bounded by the product of the lengths.
func MatchPattern(text, pattern string) bool {
	t, p := 0, 0
	star, mark := -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			t++
			p++
		case star >= 0:
			mark++
			t, p = mark, star+1
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// Verdict is what a pattern list says of a text.
type Verdict int

const (
	NoMatch Verdict = iota
	Positive
	Negative // a pattern that begins with "!" matched; nothing else counts
)

// maxSubPattern is OpenSSH's buffer for one pattern of a list: a list with a longer one matches nothing.
const maxSubPattern = 1022

// MatchList compares text with a comma-separated list of patterns, each possibly negated with "!". With fold the patterns
// are made lower case; text must be so already.
func MatchList(text, list string, fold bool) Verdict {
	result := NoMatch
	for list != "" {
		var negated bool
		list, negated = strings.CutPrefix(list, "!")
		pattern, rest, _ := strings.Cut(list, ",")
		if len(pattern) > maxSubPattern {
			return NoMatch
		}
		if fold {
			pattern = ToLower(pattern)
		}
		if MatchPattern(text, pattern) {
			if negated {
				return Negative
			}
			result = Positive
		}
		list = rest
	}
	return result
}

// MatchHost is MatchList for host names, whose case does not matter.
func MatchHost(host, list string) bool { return MatchList(ToLower(host), list, true) == Positive }

// ToLower returns text with its ASCII letters, and no others, in lower case, as tolower(3) does with the bytes of a C string.
func ToLower(text string) string {
	out := []byte(text)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out)
}
