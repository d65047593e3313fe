package config

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/tunneld/tunneld/config/account"
)

// account returns whom this process runs as.
func (env *Environment) account() account.Account {
	return account.Account{Name: env.LocalUser, UID: env.UID, Home: env.Home, Service: env.Service}
}

// unreadable returns the error for a file that exists and cannot be read: why, whose it is, and what to do. ssh says nothing
// where it is one of its usual files, and people wonder why nothing in it has any effect.
func unreadable(path string, err error, a account.Account) *Error {
	e := &Error{Source: Source{File: path}, Text: fmt.Sprintf("cannot be read: %v", reason(err))}
	if !errors.Is(err, fs.ErrPermission) {
		if errors.Is(err, syscall.EISDIR) {
			e.Hint = "put the configuration into a file of this name, or name another one with -F"
		}
		return e
	}
	text, mend := a.Forbidden(path)
	if text != "" {
		e.Text += "; " + text
		e.Hint = mend + "; or name another file with -F"
	}
	return e
}

// insecure returns the error for a file that others than its user and root could change.
func insecure(path string, info fs.FileInfo, a account.Account) *Error {
	text, hint := a.Insecure(path, info)
	return &Error{Source: Source{File: path}, Text: text, Hint: hint}
}

// unread notes a file that ssh would pass over in silence.
func (r *resolver) unread(path string, err error) {
	e := unreadable(path, err, r.env.account())
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
