package filemode

import (
	"os"

	"github.com/tunneld/tunneld/config/acl"
)

// noFollow is nothing: to make a link takes a privilege on Windows.
const noFollow = 0

// chmodOwnSocket leaves the socket as it is, if it is one: who may connect is said by the list of the directory that it is in.
func chmodOwnSocket(path string, _ uint32) error {
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&os.ModeSocket == 0 {
		err = errNotOurSocket
	}
	return err
}

// Directory keeps others out of a directory of ours, whatever mode says: there are no permission bits on Windows. follow: path may be
// a link; otherwise a link is an error.
func Directory(path string, _ os.FileMode, follow bool) error {
	look := os.Lstat
	if follow {
		look = os.Stat
	}
	info, err := look(path)
	if err == nil && !info.IsDir() {
		err = os.ErrInvalid
	}
	if err == nil {
		err = acl.KeepOthersOut(path)
	}
	if err != nil {
		return &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	return nil
}
