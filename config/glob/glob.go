// Package glob finds files by pattern as OpenSSH's own glob(3) does, for Include.
package glob

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files finds the files that match a pattern as OpenSSH's own glob(3) does: "*", "?", "[a-z]", "[!a-z]", classes such as
// "[[:digit:]]" and a backslash before a character that stands for itself; names that begin with a dot only where the
// pattern has the dot. The result is sorted by bytes.
func Files(pattern string) []string {
	if pattern == "" {
		return nil
	}
	files := globFrom("", strings.Split(filepath.ToSlash(pattern), "/")) // on Windows a backslash is the separator, and escapes nothing
	slices.Sort(files)
	return files
}

// globFrom extends the path by the segments of a pattern.
func globFrom(path string, segments []string) []string {
	for i, segment := range segments {
		if !strings.ContainsAny(segment, "*?[") {
			path += unescaped(segment)
			if i < len(segments)-1 {
				path += "/"
			}
			continue
		}
		return globDirectory(path, segment, segments[i+1:])
	}
	if _, err := os.Lstat(path); err != nil {
		return nil
	}
	return []string{path}
}

func globDirectory(path, segment string, rest []string) []string {
	directory := path
	if directory == "" {
		directory = "."
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil
	}
	var files []string
	for _, entry := range entries {
		name := entry.Name()
		if name[0] == '.' && segment[0] != '.' || !Match(name, segment) {
			continue
		}
		if len(rest) == 0 {
			files = append(files, path+name)
			continue
		}
		files = append(files, globFrom(path+name+"/", rest)...)
	}
	return files
}

func unescaped(segment string) string {
	var b strings.Builder
	for i := 0; i < len(segment); i++ {
		if segment[i] == '\\' && i+1 < len(segment) {
			i++
		}
		b.WriteByte(segment[i])
	}
	return b.String()
}

// Match reports whether one file name fits one segment of a pattern. Like sshpattern.MatchPattern it goes back to the
// last "*" only, so that it takes time in proportion to both lengths.
func Match(name, pattern string) bool {
	afterStar, behind, starred := "", "", false // the last "*": what follows it, and the part of name that it does not take
	for name != "" {
		if strings.HasPrefix(pattern, "*") {
			pattern = pattern[1:]
			afterStar, behind, starred = pattern, name, true
			continue
		}
		if pattern != "" {
			if matched, rest := matchByte(name[0], pattern); matched {
				name, pattern = name[1:], rest
				continue
			}
		}
		if !starred {
			return false
		}
		behind = behind[1:]
		name, pattern = behind, afterStar
	}
	return strings.Trim(pattern, "*") == ""
}

// matchByte compares one byte with the first element of a pattern and returns the rest of the pattern.
func matchByte(c byte, pattern string) (bool, string) {
	switch {
	case pattern[0] == '?':
		return true, pattern[1:]
	case pattern[0] == '\\' && len(pattern) > 1:
		return c == pattern[1], pattern[2:]
	case pattern[0] != '[':
		return c == pattern[0], pattern[1:]
	}
	set, negated := strings.CutPrefix(pattern[1:], "!")
	if len(set) < 2 || strings.IndexByte(set[1:], ']') < 0 { // not closed: the bracket stands for itself
		return c == '[', pattern[1:]
	}
	matched, rest := matchSet(c, set)
	return matched != negated, rest
}

// matchSet compares one byte with what stands in brackets; a "]" that comes first is a member.
func matchSet(c byte, set string) (matched bool, rest string) {
	for first := true; first || set != "" && set[0] != ']'; first = false {
		if name, after, ok := classAt(set); ok {
			matched = matched || inClass(c, name)
			set = after
			continue
		}
		low := set[0]
		high := low
		set = set[1:]
		if len(set) > 1 && set[0] == '-' && set[1] != ']' {
			high = set[1]
			set = set[2:]
		}
		matched = matched || low <= c && c <= high
	}
	return matched, strings.TrimPrefix(set, "]")
}

// classAt finds a class such as "[:alpha:]" at the start of set.
func classAt(set string) (name, rest string, ok bool) {
	inside, ok := strings.CutPrefix(set, "[:")
	if !ok {
		return "", "", false
	}
	return strings.Cut(inside, ":]")
}

func inClass(c byte, name string) bool {
	upper, small, digit := 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9'
	switch name {
	case "alnum":
		return upper || small || digit
	case "alpha":
		return upper || small
	case "blank":
		return c == ' ' || c == '\t'
	case "cntrl":
		return c < ' ' || c == 0x7f
	case "digit":
		return digit
	case "graph":
		return '!' <= c && c <= '~'
	case "lower":
		return small
	case "print":
		return ' ' <= c && c <= '~'
	case "punct":
		return '!' <= c && c <= '~' && !upper && !small && !digit
	case "space":
		return c == ' ' || '\t' <= c && c <= '\r'
	case "upper":
		return upper
	case "xdigit":
		return digit || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
	}
	return false
}
