package thrift

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// letGoOfText has the system take back those pages of the program itself, its code and its constants, that were needed to come up
// and are not any more: readers of the configuration, tables of Unicode, all that is done once. Whatever is needed yet is there
// again at its next use, out of the system's cache of the file; nothing of it is ever written to.
func letGoOfText() error {
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	list := constant(file)
	file.Close() // before, or what closes it is needed again
	var failed error
	for _, m := range list {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED); errno != 0 {
			failed = errors.Join(failed, errno)
		}
	}
	return failed
}

// mapping is a part of the address space.
type mapping struct{ start, end uintptr }

// constant returns the parts of the first file of those that are mapped, which is the program, that can not be written to and never
// were: where a loader or a debugger has changed something, the pages are not those of the file (Anonymous in proc_pid_smaps(5)).
func constant(smaps io.Reader) (list []mapping) {
	var program string
	var candidate mapping
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 3 {
			continue
		}
		if words[0] == "Anonymous:" {
			if candidate.end > 0 && words[1] == "0" {
				list = append(list, candidate)
			}
			candidate = mapping{}
		} else if start, end, ok := strings.Cut(words[0], "-"); ok && len(words) >= 6 {
			candidate = mapping{}
			inode := words[3] + " " + words[4] // and its device
			if program == "" {
				program = inode
			}
			if inode == program && words[1][1] == '-' && words[1][3] == 'p' {
				candidate = mapping{address(start), address(end)}
			}
		}
	}
	return list
}

func address(text string) uintptr {
	n, _ := strconv.ParseUint(text, 16, 64)
	return uintptr(n)
}
