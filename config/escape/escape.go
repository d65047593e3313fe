// Package escape reads and writes ssh's EscapeChar.
package escape

// Text returns what EscapeChar is stored and printed as; false: word is no value of it.
func Text(word string) (value string, ok bool) {
	switch {
	case word == "none":
		return word, true
	case len(word) == 1:
		return Visible(word[0]), true
	case len(word) == 2 && word[0] == '^' && word[1] >= 64 && word[1] < 128:
		return Visible(word[1] & 31), true
	}
	return "", false
}

// Visible writes one byte as vis(3) does under VIS_WHITE.
func Visible(c byte) string {
	switch {
	case c == '\\':
		return `\\`
	case c > ' ' && c < 0x7f:
		return string(rune(c))
	case c&0x7f == ' ':
		return `\` + string([]byte{'0' + c>>6, '0' + c>>3&7, '0' + c&7})
	}
	prefix := `\`
	if c >= 0x80 {
		prefix, c = `\M`, c&0x7f
	}
	switch {
	case c == 0x7f:
		return prefix + "^?"
	case c < ' ':
		return prefix + "^" + string(rune(c+'@'))
	}
	return prefix + "-" + string(rune(c))
}
