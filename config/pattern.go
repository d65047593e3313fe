package config

import "strings"

// matchPattern tells whether text matches pattern, in which "*" stands for anything and "?" for one byte (ssh_config(5)
// PATTERNS). It takes time in proportion to both lengths.
func matchPattern(text, pattern string) bool {
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

// verdict is what a pattern list says of a text.
type verdict int

const (
	noMatch verdict = iota
	positive
	negative // a pattern that begins with "!" matched; nothing else counts
)

// maxSubPattern is OpenSSH's buffer for one pattern of a list: a list with a longer one matches nothing.
const maxSubPattern = 1022

// matchList compares text with a comma-separated list of patterns, each possibly negated with "!". With fold the patterns
// are made lower case; text must be so already.
func matchList(text, list string, fold bool) verdict {
	result := noMatch
	for list != "" {
		var negated bool
		list, negated = strings.CutPrefix(list, "!")
		pattern, rest, _ := strings.Cut(list, ",")
		if len(pattern) > maxSubPattern {
			return noMatch
		}
		if fold {
			pattern = toLower(pattern)
		}
		if matchPattern(text, pattern) {
			if negated {
				return negative
			}
			result = positive
		}
		list = rest
	}
	return result
}

// matchHost is matchList for host names, whose case does not matter.
func matchHost(host, list string) bool { return matchList(toLower(host), list, true) == positive }

// toLower changes ASCII letters only, as tolower(3) does on the bytes of a C string.
func toLower(text string) string {
	out := []byte(text)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out)
}
