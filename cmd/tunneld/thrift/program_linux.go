package thrift

import (
	"bytes"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forgetProgram unmaps the pages of the program itself: what ran to come up, and the tables that it needed, which counts as this
// process's memory for as long as it is mapped. They are in the system's cache of the file, from where what is needed again comes
// back page by page. Nobody can have written to these pages, so nothing is lost (madvise(2), MADV_DONTNEED).
func forgetProgram() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for line := range bytes.Lines(maps) {
		fields := bytes.Fields(line)
		if len(fields) != 6 || string(fields[5]) != program || fields[1][1] == 'w' {
			continue
		}
		from, to, _ := bytes.Cut(fields[0], []byte("-"))
		begin, err1 := strconv.ParseUint(string(from), 16, 64)
		end, err2 := strconv.ParseUint(string(to), 16, 64)
		if err1 != nil || err2 != nil || begin == 0 || end <= begin {
			continue
		}
		mapped := unsafe.Slice((*byte)(addressOf(uintptr(begin))), end-begin)
		_ = unix.Madvise(mapped, unix.MADV_DONTNEED) // a kernel that does not want to leaves them where they are
	}
}

// addressOf returns the place of a mapping, which is no object of Go's.
func addressOf(place uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&place)) }
