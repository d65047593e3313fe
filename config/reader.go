package config

import (
	"errors"
	"strings"

	"github.com/tunneld/tunneld/config/sshpattern"
)

// whitespace separates words in a configuration line, as OpenSSH's misc.c has it.
const whitespace = " \t\r\n"

// trimLine returns the part of a line that OpenSSH looks at: up to a NUL, without trailing whitespace and form feeds. The
// first byte always stays.
func trimLine(text string) string {
	if end := strings.IndexByte(text, 0); end >= 0 {
		text = text[:end]
	}
	if text == "" {
		return ""
	}
	return text[:1] + strings.TrimRight(text[1:], whitespace+"\f")
}

// cursor takes words from the left of a line by the rules of OpenSSH's strdelim: a word ends at whitespace or at one "=", but
// not inside double quotes.
type cursor struct {
	rest string
	done bool // nothing is left, not even an empty word
}

// next returns the next word. ok is false at the end of the line, and where a double quote is not closed.
func (c *cursor) next() (word string, ok bool) {
	if c.done {
		return "", false
	}
	end := strings.IndexAny(c.rest, whitespace+`"=`)
	if end < 0 {
		word, c.rest, c.done = c.rest, "", true
		return word, true
	}
	if c.rest[end] == '"' {
		return c.quoted(end)
	}
	equals := c.rest[end] == '='
	word, c.rest = c.rest[:end], strings.TrimLeft(c.rest[end+1:], whitespace)
	if !equals && strings.HasPrefix(c.rest, "=") {
		c.rest = strings.TrimLeft(c.rest[1:], whitespace)
	}
	return word, true
}

// quoted ends a word at the quote that closes the one at open. What stands before the opening quote is part of the word.
func (c *cursor) quoted(open int) (string, bool) {
	text := c.rest[:open] + c.rest[open+1:]
	end := strings.IndexByte(text[open:], '"')
	if end < 0 {
		c.rest, c.done = "", true
		return "", false
	}
	c.rest = strings.TrimLeft(text[open+end+1:], whitespace)
	return text[:open+end], true
}

var errQuotes = errors.New("a quote is not closed")

// SplitWords splits text into words as OpenSSH's argv_split does: at blanks and tabs, with single and double quotes, and
// with a backslash before a quote, a backslash or, outside quotes, a blank.
func SplitWords(text string) ([]string, error) { return splitWords(text, false) }

// splitWords is SplitWords; with comments, a word that begins with "#" ends the text.
func splitWords(text string, comments bool) ([]string, error) {
	var words []string
	for i := 0; i < len(text); i++ {
		if text[i] == ' ' || text[i] == '\t' {
			continue
		}
		if comments && text[i] == '#' {
			break
		}
		word, length, err := firstWord(text[i:])
		if err != nil {
			return nil, err
		}
		words = append(words, word)
		i += length
	}
	return words, nil
}

// firstWord returns the word at the start of text without its quotes, and how many bytes of text it took.
func firstWord(text string) (word string, length int, err error) {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text) && escapable(text[i+1], quote):
			i++
			b.WriteByte(text[i])
		case quote == 0 && (c == ' ' || c == '\t'):
			return b.String(), i, nil
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", 0, errQuotes
	}
	return b.String(), len(text), nil
}

// escapable reports whether a backslash before c means c itself.
func escapable(c, quote byte) bool {
	return c == '\'' || c == '"' || c == '\\' || quote == 0 && c == ' '
}

// joinWords is the reverse of SplitWords.
func joinWords(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = quoteWord(word)
	}
	return strings.Join(quoted, " ")
}

var quoting = strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`)

// quoteWord writes word so that SplitWords returns it.
func quoteWord(word string) string {
	escaped := quoting.Replace(word)
	if word == "" || strings.ContainsAny(word, " \t#") {
		return `"` + escaped + `"`
	}
	return escaped
}

func lower(text string) string { return sshpattern.ToLower(text) }
