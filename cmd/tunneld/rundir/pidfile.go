package rundir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/config/filelock"
	"github.com/tunneld/tunneld/config/filemode"
)

// PIDFile is the file of --pidfile. Its lock is held for as long as we live, and alone reports whether the process of the
// number in it lives: after a crash the number may be that of any other process.
type PIDFile struct {
	file *os.File
	path string
}

// maxPIDFile is more than the longest text of a pid file, in bytes.
const maxPIDFile = 32

// WritePIDFile makes the file, or refuses where the process that holds it lives, and where it is no pid file: a name that
// was mistyped, or that somebody has put a link at, must not cost anybody a file.
func WritePIDFile(path string) (*PIDFile, error) {
	for {
		file, err := openPIDFile(path)
		if err != nil {
			return nil, pidFileError(path, err)
		}
		again, err := claimPIDFile(file, path)
		if err == nil && !again {
			return &PIDFile{file, path}, nil
		}
		file.Close()
		if err != nil {
			return nil, err
		}
	}
}

// pidFileError says what is wrong with the file, and what to do.
func pidFileError(path string, err error) error {
	var at *os.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	hint := "give a file in a directory that this user may write"
	switch {
	case errors.Is(err, syscall.ELOOP):
		err, hint = errors.New("it is a symbolic link, which is not followed"), "name the file itself"
	case errors.Is(err, errNoPIDFile):
		hint = "name another file, or remove it if nobody needs it"
	}
	return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("--pidfile %s: %w", path, err), Hint: hint}
}

// errNoPIDFile is a file of another kind, or with other contents, than a pid file.
var errNoPIDFile = errors.New("it is no pid file")

// openPIDFile opens the file, or makes it. O_NONBLOCK: a pipe is looked at and not waited for.
func openPIDFile(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink == 0 && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w but a %s", errNoPIDFile, kindOf(info)) // to open a device may do something
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|filemode.NoFollow|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, errors.Join(err, errNoPIDFile)
	}
	return file, nil
}

func kindOf(info os.FileInfo) string {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return "directory"
	case mode&os.ModeNamedPipe != 0:
		return "pipe"
	case mode&os.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// claimPIDFile locks the file and writes our number into it. again: the one who held it has just removed it.
func claimPIDFile(file *os.File, path string) (again bool, err error) {
	number, isNumber := readPID(file)
	switch err := filelock.Try(file); {
	case errors.Is(err, filelock.ErrHeld):
		return false, alreadyHeld(path, number)
	case err != nil && number > 0 && number != os.Getpid() && lives(number): // a file system without locks: better safe
		return false, alreadyHeld(path, number)
	}
	held, err := file.Stat()
	if err != nil {
		return false, pidFileError(path, err)
	}
	if now, err := os.Lstat(path); err != nil || !os.SameFile(held, now) {
		return true, nil
	}
	if !isNumber {
		return false, pidFileError(path, fmt.Errorf("%w: it holds something else than a number", errNoPIDFile))
	}
	text := strconv.Itoa(os.Getpid()) + "\n"
	if _, err := file.WriteAt([]byte(text), 0); err != nil {
		return false, pidFileError(path, err)
	}
	if err := file.Truncate(int64(len(text))); err != nil { // after the write, lest a reader find it empty
		return false, pidFileError(path, err)
	}
	return false, nil
}

// alreadyHeld returns the error for a file that another process holds.
func alreadyHeld(path string, number int) error {
	if number <= 0 {
		return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("--pidfile %s: another process holds its lock", path),
			Hint: "name another file, or stop that process"}
	}
	return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("--pidfile %s: process %d lives", path, number),
		Hint: fmt.Sprintf("stop it with `kill %d`, or name another file", number)}
}

// readPID returns the number in the file; 0 where it is empty, which is fine, too.
func readPID(file *os.File) (number int, ok bool) {
	data := make([]byte, maxPIDFile)
	n, _ := file.ReadAt(data, 0)
	text := bytes.TrimSpace(data[:n])
	if len(text) == 0 {
		return 0, n < maxPIDFile
	}
	value, err := strconv.ParseUint(string(text), 10, 63) // digits alone: a note that says +1 is somebody's
	return int(value), err == nil && value > 0 && n < maxPIDFile
}

// Remove takes the file away, unless another one is in its place by now or somebody else's number in it.
func (h *PIDFile) Remove() {
	ours, err := h.file.Stat()
	number, _ := readPID(h.file)
	if now, missing := os.Lstat(h.path); err == nil && missing == nil && os.SameFile(ours, now) && number == os.Getpid() {
		filelock.Remove(h.file, h.path)
		return
	}
	h.file.Close()
}
