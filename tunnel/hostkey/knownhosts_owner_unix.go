//go:build unix

package hostkey

import (
	"os"
	"syscall"
)

// giveTo makes the owner of the old file that of the new one. Only root can give files away; for others they are the same.
func giveTo(file *os.File, old os.FileInfo) {
	if stat, ok := old.Sys().(*syscall.Stat_t); ok {
		file.Chown(int(stat.Uid), int(stat.Gid))
	}
}
