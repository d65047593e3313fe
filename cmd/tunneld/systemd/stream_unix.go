//go:build unix

package systemd

import (
	"fmt"
	"os"
	"syscall"
)

// streamOf returns device and inode of a file; empty: they are not known.
func streamOf(info os.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
