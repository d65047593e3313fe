package config

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
)

// Aliases returns the names without wildcards of all Host lines, each once, in the order of the files. file is the argument of
// -F: empty means the user's file and then the system's, "none" means no file. Included files count. Nothing is checked, and no
// command is run. A file that does not exist has no names.
func Aliases(env Environment, file string) ([]string, error) {
	a := &aliases{resolver: resolver{env: env, doc: newDocument()}, seen: map[string]bool{}, files: map[string]bool{}}
	if a.env.Getenv == nil {
		a.env.Getenv = func(string) (string, bool) { return "", false }
	}
	var err error
	switch {
	case lower(file) == "none":
	case file != "":
		err = a.read(file, true, 0)
	default:
		err = errors.Join(a.read(env.UserFile, true, 0), a.read(env.SystemFile, false, 0))
	}
	return a.names, err
}

// aliases gathers names; the resolver finds included files.
type aliases struct {
	resolver
	names []string
	seen  map[string]bool // names
	files map[string]bool // that were read; twice brings no new names
}

func (a *aliases) read(path string, user bool, depth int) error {
	if path == "" || depth > maxDepth || a.files[path] {
		return nil
	}
	a.files[path] = true
	c, err := a.env.Once.read(path, a.env.UID)
	if err == nil && c.info.IsDir() {
		err = syscall.EISDIR
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unreadable(path, err, a.env.account())
	}
	for line := range strings.Lines(c.text) {
		a.line(strings.TrimSuffix(line, "\n"), user, depth)
	}
	return nil
}

func (a *aliases) line(text string, user bool, depth int) {
	cursor := cursor{rest: trimLine(text)}
	word, ok := cursor.next()
	if ok && word == "" {
		word, ok = cursor.next()
	}
	words, err := splitWords(strings.TrimLeft(cursor.rest, whitespace), true)
	if !ok || err != nil {
		return
	}
	switch lower(word) {
	case "host":
		a.add(words)
	case "include":
		for _, name := range words {
			for _, path := range a.included(name, user) {
				_ = a.read(path, user, depth+1) // what cannot be read has no names
			}
		}
	}
}

func (a *aliases) add(patterns []string) {
	for _, name := range patterns {
		if name == "" || strings.ContainsAny(name, "*?!") || a.seen[name] {
			continue
		}
		a.seen[name] = true
		a.names = append(a.names, name)
	}
}
