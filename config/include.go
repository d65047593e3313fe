package config

import (
	"errors"
	"io/fs"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/tunneld/tunneld/config/glob"
)

// include reads other files in place of this line. What they set holds if this line is active, and a Host or Match in them ends
// where they end.
func (l *line) include(active *bool) *Error {
	for len(l.args) > 0 {
		word := l.next()
		if word == "" {
			return l.fail("an argument is empty")
		}
		if word[0] == '~' && !l.file.user {
			return l.fail("%q: \"~\" is not allowed in a system file", word)
		}
		before := *active
		for _, path := range l.r.included(word, l.file.user) {
			err := l.r.readFile(&file{
				path:  path,
				user:  l.file.user,
				final: l.file.final,
				never: l.file.never || !before,
				depth: l.file.depth + 1,
			}, true, active)
			*active = before
			if l.r.stopped {
				l.args = nil
				return nil
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				e := unreadable(path, err, l.r.env.account())
				problem := l.fail("cannot open %s: %s", path, strings.TrimPrefix(e.Text, "cannot be read: "))
				problem.Hint = e.Hint
				return problem
			}
		}
	}
	return nil
}

// included finds the files that one word of Include stands for. Where no file has the name as it is written, tokens and variables
// are expanded, as in OpenSSH since 9.9.
func (r *resolver) included(word string, fromUser bool) []string {
	if !isRooted(word) {
		if fromUser {
			word = "~/.ssh/" + word
		} else {
			word = filepath.Dir(r.env.SystemFile) + "/" + word
		}
	}
	if files := r.matching(word); len(files) > 0 {
		return files
	}
	if !strings.ContainsAny(word, "%$") {
		return nil
	}
	expanded, err := expand(word, r.matchTokens(), r.env.Getenv)
	if err != nil {
		return nil
	}
	return r.matching(expanded)
}

func (r *resolver) matching(word string) []string {
	pattern := r.globHome(word)
	r.doc.trace.patterns[pattern] = true
	return glob.Files(pattern)
}

// globHome replaces a leading "~" as glob(3) does: by $HOME before the password database.
func (r *resolver) globHome(pattern string) string {
	rest, ok := strings.CutPrefix(pattern, "~")
	if !ok {
		return pattern
	}
	name, below, slash := strings.Cut(rest, "/")
	home, known := r.env.Getenv("HOME")
	if !known {
		home = r.env.Home
	}
	if name != "" {
		account, err := user.Lookup(name)
		if err != nil {
			return pattern
		}
		home = account.HomeDir
	}
	if slash {
		return home + "/" + below
	}
	return home
}
