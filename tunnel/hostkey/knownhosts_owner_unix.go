//go:build unix

package hostkey

import (
	"os"
	"syscall"
)

// giveTo gives the new file the owner of the old one. Only root can do so; for others the owner is the same already.
func giveTo(file *os.File, old os.FileInfo) {
	if stat, ok := old.Sys().(*syscall.Stat_t); ok {
		file.Chown(int(stat.Uid), int(stat.Gid))
	}
}

// letGo does nothing: the old file stays locked until the new one is in its place.
func letGo(*os.File) error { return nil }
