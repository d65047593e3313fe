package foreign

import "strings"

// Quoted returns words as one word of a shell, for what a person may paste there: in single quotes, unless they need none. A ~ alone is no
// reason for quotes, and the shell expands it.
func Quoted(words string) Text {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("@%+=:,./_-~", r)
	}
	if words == "" || strings.ContainsFunc(words, func(r rune) bool { return !plain(r) }) {
		words = "'" + strings.ReplaceAll(words, "'", `'\''`) + "'"
	}
	return Own(words)
}
