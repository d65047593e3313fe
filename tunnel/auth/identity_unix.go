//go:build unix

package auth

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/tunneld/tunneld/tunnel/fault"
)

// keyFileFlags are for opening key files. O_NONBLOCK matters for pipes alone: opening one for reading would wait for its
// writer.
const keyFileFlags = os.O_RDONLY | syscall.O_NONBLOCK

// ownedByUs reports whether the file belongs to the user that this process runs as.
func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}

// statPrivate returns what checkPrivate wants to know of a file.
func statPrivate(file *os.File) (fs.FileInfo, error) { return file.Stat() }

// checkPrivate refuses a private key file that belongs to us and that others may read, as sshkey_perm_ok of OpenSSH's
// authfile.c. A file of another owner is accepted, as secrets mounted into containers need it.
func checkPrivate(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); ownedByUs(info) && mode&0o077 != 0 {
		return fmt.Errorf("%w: mode %04o is too open", errUnprotected, mode)
	}
	return nil
}

// makePrivate is what a person types after checkPrivate has refused a file.
func makePrivate(path string) string { return "chmod 600 " + fault.ShellQuote(path) }
