// Package quiet remembers which lines of a configuration need no second look: those that are in order, and change nothing where
// their block does not hold. A file with a thousand hosts is read once for each of the hundreds of tunnels in it, and nearly all
// of its lines are about others.
package quiet

import (
	"strings"
	"sync"
	"sync/atomic"
)

// Lines is what is known of some files. It is for readings that differ in nothing but the host. The zero value is ready, nil
// remembers nothing. Its methods may be called from any goroutine.
type Lines struct {
	mu    sync.Mutex // guards files
	files map[place]*File
}

type place struct {
	path string
	user bool
}

// File is what is known of one of them; nil remembers nothing.
type File struct {
	text  string
	known []atomic.Bool
}

// Of returns what is known of a file that reads so: of one that was changed meanwhile, nothing. user tells a user's file from the
// system's.
func (l *Lines) Of(path, text string, user bool) *File {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.files[place{path, user}]
	if f == nil || f.text != text {
		f = &File{text, make([]atomic.Bool, strings.Count(text, "\n")+2)}
		if l.files == nil {
			l.files = make(map[place]*File)
		}
		l.files[place{path, user}] = f
	}
	return f
}

// Is reports whether the line of that number, from 1, is known to need no look where its block does not hold.
func (f *File) Is(line int) bool { return f != nil && f.known[line].Load() }

// Note notes that it needs none.
func (f *File) Note(line int) {
	if f != nil {
		f.known[line].Store(true)
	}
}
