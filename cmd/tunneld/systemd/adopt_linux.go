package systemd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Adopt hands the owner of a directory all files and directories in it that belong to root and root's group, and takes the
// rights of all others from them, because a private key that others could read is refused. What has another owner or group
// was given to it on purpose and stays. What it did is written to notes.
//
// It runs as root in a directory whose owner is not trusted, and may change it meanwhile. So nothing is reached by a path:
// each thing is looked at and changed through one descriptor, links are not followed, a file that has a second name is left
// alone (it may be one of root's elsewhere), and other file systems are not entered.
func Adopt(notes io.Writer, path string) error {
	top, err := os.Open(path) // what leads here is root's; for DynamicUser= its last part is a link
	if err != nil {
		return err
	}
	defer top.Close()
	var owner unix.Stat_t
	if err := unix.Fstat(int(top.Fd()), &owner); err != nil {
		return err
	}
	if owner.Uid == 0 {
		return nil
	}
	a := &adoption{notes: notes, owner: owner}
	return a.directory(top, path, adoptDepth)
}

// adoptDepth is how many directories may lie in each other. Each costs a descriptor.
const adoptDepth = 16

type adoption struct {
	notes io.Writer
	owner unix.Stat_t // of the directory: who gets it all, and on which device
}

// directory looks at all that is in dir, and below to that depth.
func (a *adoption) directory(dir *os.File, path string, depth int) error {
	names, err := dir.Readdirnames(-1)
	failures := []error{err}
	for _, name := range names {
		failures = append(failures, a.entry(dir, name, filepath.Join(path, name), depth))
	}
	return errors.Join(failures...)
}

func (a *adoption) entry(dir *os.File, name, path string, depth int) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	roots := stat.Uid == 0 && stat.Gid == 0
	isDirectory := stat.Mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case stat.Dev != a.owner.Dev, !isDirectory && stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil
	case isDirectory && (depth == 0 || !roots && stat.Uid != a.owner.Uid), !isDirectory && !roots:
		return nil
	case !isDirectory && stat.Nlink != 1:
		fmt.Fprintf(a.notes, "tunneld: %q stays root's: it has more than one name (hard links)\n", path)
		return nil
	}
	file, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd)) // the very same, whatever has the name by now
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	defer file.Close()
	if roots {
		if err := a.take(file, stat.Mode); err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		fmt.Fprintf(a.notes, "tunneld: %q was root's and now belongs to user %d\n", path, a.owner.Uid)
	}
	if isDirectory {
		return a.directory(file, path, depth-1)
	}
	return nil
}

// take changes mode and owner, in this order: no moment in which others could use it.
func (a *adoption) take(file *os.File, mode uint32) error {
	return errors.Join(unix.Fchmod(int(file.Fd()), mode&0o700), unix.Fchown(int(file.Fd()), int(a.owner.Uid), int(a.owner.Gid)))
}
