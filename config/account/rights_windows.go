package account

import (
	"io/fs"
	"os"

	"github.com/tunneld/tunneld/config/acl"
)

// Secure reports whether an open file belongs to us, SYSTEM or Administrators, and nobody else may change it, as in Win32-OpenSSH. One
// whose list cannot be read is not secure.
func Secure(file *os.File, _ fs.FileInfo, _ int) bool {
	other, err := acl.Other(file, acl.Change)
	return err == nil && other == ""
}

// Owner returns false: owners have no numbers on Windows.
func Owner(fs.FileInfo) (uid int, ok bool) { return 0, false }
