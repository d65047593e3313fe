// Package portfile keeps TunneldPortFile: a line "SPEC BOUND" for every remote forward whose port the server chose and which
// listens now.
package portfile

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// File is one. Readers see a whole file or none. The zero value is ready.
type File struct {
	mu   sync.Mutex  // guards all following fields, and the file
	path string      // where it was written last; empty: nowhere
	text string      // what was written last
	file os.FileInfo // as it was written: another one in its place is another tunnel's
	over bool        // by Remove
}

// Update makes the file at path hold what lines returns, unless it does already. An empty path means no file.
func (p *File) Update(path string, lines func() []string, log *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if path != p.path {
		p.removeLocked(log)
	}
	if path == "" || p.over {
		return
	}
	text := strings.Join(lines(), "")
	if path == p.path && text == p.text {
		return
	}
	file, err := replaceFile(path, text)
	if err != nil {
		log.Warn("port file not written", "err", err)
		return
	}
	p.path, p.text, p.file = path, text, file
}

// Remove removes the file for good: a reload that is still under way does not write it again.
func (p *File) Remove(log *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.removeLocked(log)
}

func (p *File) removeLocked(log *slog.Logger) {
	if p.path == "" {
		return
	}
	now, err := os.Lstat(p.path)
	if err == nil && os.SameFile(now, p.file) {
		err = os.Remove(p.path)
	}
	if err != nil {
		log.Warn("port file not removed", "err", err)
	}
	p.path, p.text, p.file = "", "", nil
}

// replaceFile writes text beside path and moves it there.
func replaceFile(path, text string) (os.FileInfo, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Chmod(0o644)
	}
	info, failed := f.Stat()
	err = errors.Join(err, failed, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return info, err
}
