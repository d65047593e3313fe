package connect

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Wanted reports whether in and out, of this process, are of an ssh that waits for a socket: one pair of Unix sockets for both,
// made by OpenSSH's ssh, whatever it is called there.
func Wanted(in, out *os.File) bool {
	maker := makerOf(in)
	return maker != 0 && samePair(in, out) && (isCalledSSH(maker) || isSSH(maker))
}

// samePair reports whether both are the same Unix stream.
func samePair(in, out *os.File) bool {
	here, err := in.Stat()
	there, otherErr := out.Stat()
	if err != nil || otherErr != nil || here.Mode()&os.ModeSocket == 0 || !os.SameFile(here, there) {
		return false
	}
	same := false
	control(in, func(fd int) {
		domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
		kind, kindErr := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		same = err == nil && kindErr == nil && domain == unix.AF_UNIX && kind == unix.SOCK_STREAM
	})
	return same
}

// makerOf returns the process that made the pair of sockets to which file belongs; 0: it cannot be told.
func makerOf(file *os.File) (pid int) {
	control(file, func(fd int) {
		if maker, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(maker.Pid)
		}
	})
	return pid
}

func isCalledSSH(pid int) bool {
	name, err := os.ReadFile(proc(pid, "comm"))
	return err == nil && strings.HasSuffix(strings.TrimSpace(string(name)), "ssh")
}

// complaint is in two parts, so that no program of ours has it in one. It is what ssh says when its helper has passed no socket
// (OpenSSH sshconnect.c, since 6.5): who has the words waits for one.
var complaint = []string{"proxy dialer did not ", "pass back a connection"}

// isSSH reports whether the program has the complaint. It may have been started by a loader, or under any name.
func isSSH(pid int) bool {
	words := []byte(strings.Join(complaint, ""))
	for _, path := range programsOf(pid) {
		if text, err := readProgram(path); err == nil && bytes.Contains(text, words) {
			return true
		}
	}
	return false
}

// programsOf returns the files that a process runs, without libraries.
func programsOf(pid int) []string {
	list := []string{proc(pid, "exe")}
	maps, err := os.ReadFile(proc(pid, "maps")) // proc_pid_maps(5)
	if err != nil {
		return list
	}
	for line := range strings.Lines(string(maps)) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 6)
		if len(words) < 6 || !strings.Contains(words[1], "x") {
			continue
		}
		path := strings.TrimSpace(words[5])
		if strings.HasPrefix(path, "/") && !strings.Contains(filepath.Base(path), ".so") {
			list = append(list, filepath.Join(proc(pid, "root"), path))
		}
	}
	return list
}

// maxProgram is more than an ssh has, in bytes.
const maxProgram = 32 << 20

func readProgram(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxProgram))
}

func proc(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

func control(file *os.File, do func(fd int)) {
	if raw, err := file.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { do(int(fd)) })
	}
}

// hungUp reports whether the peer of a socket has closed both its directions, or the reader of a pipe has gone.
func hungUp(fd uintptr) bool {
	state := []unix.PollFd{{Fd: int32(fd)}} // POLLHUP is always told
	_, err := unix.Poll(state, 0)
	return err == nil && state[0].Revents != 0
}
