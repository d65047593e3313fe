package auth

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/tunneld/tunneld/config/acl"
	"github.com/tunneld/tunneld/config/foreign"
)

// keyFileFlags are for opening key files.
const keyFileFlags = os.O_RDONLY

// privateInfo is a file with who else may use it.
type privateInfo struct {
	fs.FileInfo
	other string // empty: nobody
	err   error  // why that is not known
}

// statPrivate returns what checkPrivate wants to know of a file.
func statPrivate(file *os.File) (fs.FileInfo, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	other, err := acl.Other(file, acl.Any)
	return privateInfo{info, other, err}, nil
}

// checkPrivate refuses a private key file that another than this user, SYSTEM and Administrators owns or may do anything with, as
// Win32-OpenSSH does.
func checkPrivate(info fs.FileInfo) error {
	private, ok := info.(privateInfo)
	switch {
	case !ok:
		return nil
	case private.err != nil:
		return fmt.Errorf("%w: its list of permissions cannot be read: %w", errUnprotected, private.err)
	case private.other != "":
		return fmt.Errorf("%w: it is open to %s", errUnprotected, private.other)
	}
	return nil
}

// makePrivate is what a person types after checkPrivate has refused a file.
func makePrivate(path string) string { return acl.Command(foreign.Own(path).String()) }
