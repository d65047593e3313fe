package view

import (
	"cmp"
	"io"
	"strings"
)

// inASCII has for each letter that is drawn here, and is none of ASCII's, one that takes as many columns.
var inASCII = strings.NewReplacer(
	"·", "|", "↓", "v", "↑", "^", "…", "~", "µ", "u",
	"▁", "_", "▂", ".", "▃", ":", "▄", "-", "▅", "=", "▆", "+", "▇", "*", "█", "#",
)

// InLocale returns w; where the locale is one whose letters are not in UTF-8, such as C, a writer to w that draws with those of ASCII.
// What is written to it at once ends with a whole letter. Where nothing is said of a locale, as in containers, terminals know UTF-8
// nowadays.
func InLocale(w io.Writer, getenv func(string) string) io.Writer {
	locale := strings.ToLower(cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG"))) // setlocale(3)
	if locale == "" || strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8") {
		return w
	}
	return ascii{w}
}

type ascii struct{ w io.Writer }

func (a ascii) Write(p []byte) (int, error) {
	if _, err := inASCII.WriteString(a.w, string(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
