package config

import (
	"io/fs"
	"os"
	"sync"

	"github.com/tunneld/tunneld/config/account"
)

// Once remembers what came through a pipe, as with -F <(...), -F /dev/stdin and named ones: it comes once, and a configuration is read again
// for each jump host, for a second pass, for other aliases and for a reload. The zero value is ready, nil remembers nothing. Its
// methods may be called from any goroutine.
type Once struct {
	mu    sync.Mutex // guards files; held while one is read
	files map[string]contents
}

// contents are what a file held.
type contents struct {
	text string // empty: also of a directory
	info fs.FileInfo
	safe bool // nobody else could write to it
}

// read returns what a file holds, or held when it could be read.
func (o *Once) read(path string, uid int) (contents, error) {
	if info, err := os.Stat(path); o == nil || err == nil && (info.Mode().IsRegular() || info.IsDir()) {
		return readContents(path, uid)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if known, ok := o.files[path]; ok {
		return known, nil
	}
	c, err := readContents(path, uid)
	if err == nil {
		if o.files == nil {
			o.files = make(map[string]contents)
		}
		o.files[path] = c
	}
	return c, err
}

func readContents(path string, uid int) (contents, error) {
	handle, err := os.Open(path)
	if err != nil {
		return contents{}, err
	}
	defer handle.Close() // only read from
	info, err := handle.Stat()
	if err != nil {
		return contents{}, err
	}
	text, err := readAll(handle, info)
	return contents{text, info, account.Secure(handle, info, uid)}, err
}
