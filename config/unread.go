package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/tunneld/tunneld/config/foreign"
)

// unreadable returns the error for a file that exists and cannot be read: why, whose it is, and what to do. ssh says nothing
// where it is one of its usual files, and people wonder why nothing in it has any effect.
func unreadable(path string, err error, uid int) *Error {
	e := &Error{Source: Source{File: path}, Text: fmt.Sprintf("cannot be read: %v", reason(err))}
	switch {
	case errors.Is(err, syscall.EISDIR):
		e.Hint = "put the configuration into a file of this name, or name another one with -F"
	case errors.Is(err, fs.ErrPermission):
		e.forbidden(path, uid)
	}
	return e
}

// forbidden returns what bars the way: the file, or the last directory above it that can be seen.
func (e *Error) forbidden(path string, uid int) {
	info, err := os.Stat(path)
	for err != nil && path != filepath.Dir(path) {
		path = filepath.Dir(path)
		info, err = os.Stat(path)
	}
	if err != nil {
		return
	}
	owner, _, ok := ownership(info)
	if !ok {
		return
	}
	subject := "it"
	if path != e.Source.File {
		subject = path
	}
	e.Text += fmt.Sprintf("; %s belongs to %s, mode %v", subject, accountName(owner), info.Mode())
	mode := "u+r"
	if info.IsDir() {
		mode = "u+rx"
	}
	e.Hint = fmt.Sprintf("chmod %s %s", mode, foreign.Own(path))
	if owner != uid {
		e.Hint = fmt.Sprintf("as %s: chown %s %s", accountName(owner), strings.TrimPrefix(accountName(uid), numbered), foreign.Own(path))
	}
	e.Hint += "; or name another file with -F"
}

// accountName returns the name of a user, or its number where it has none.
func accountName(uid int) string {
	if account, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return account.Username
	}
	return numbered + strconv.Itoa(uid)
}

const numbered = "user "

// unread notes a file that ssh would pass over in silence.
func (r *resolver) unread(path string, err error) {
	e := unreadable(path, err, r.env.UID)
	for _, known := range r.unreadFiles {
		if *known == *e {
			return
		}
	}
	r.unreadFiles = append(r.unreadFiles, e)
	text := e.Text
	if e.Hint != "" {
		text += "; hint: " + e.Hint
	}
	r.warn(e.Source, "", text)
}
