//go:build unix

package auth

import (
	"io/fs"
	"os"
	"syscall"
)

// keyFileFlags are for opening key files. O_NONBLOCK matters for pipes alone: opening one for reading would wait for its
// writer.
const keyFileFlags = os.O_RDONLY | syscall.O_NONBLOCK

// ownedByUs reports whether the file belongs to the user that this process runs as.
func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
