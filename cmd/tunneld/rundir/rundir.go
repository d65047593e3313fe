// Package rundir has what a process keeps on disk while it runs, and how it is found there: the directories of control sockets,
// the sockets themselves, and the pid file.
package rundir

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config/filemode"
)

// Directory is a place for control sockets.
type Directory struct {
	Path    string
	Given   bool // somebody named it for us and vouches for it
	foreign bool // it may belong to another user, if we are root: then it is that of a service
	inside  bool // the directory that it is in may be another user's, who can put anything in its place: then we make nothing there
	open    bool // others can make it before us: one that is not ours has no socket of ours, and is passed over
}

const (
	// serviceDirectory is where root's sockets are, and those of tunneld@.service.
	serviceDirectory = "/run/tunneld"
	// InstanceDirectories is what the directories of instances with a user of their own begin with (unit --run-as).
	InstanceDirectories = serviceDirectory + "@"
	// SessionDirectories is where systemd has a directory for each user, which XDG_RUNTIME_DIR names in that user's sessions.
	SessionDirectories = "/run/user"
	// TemporaryDirectory has directories of users who have no better place.
	TemporaryDirectory = "/tmp"
)

// RuntimeDirectories returns the places for a process's control socket, the best first: it takes the first that it can
// write to.
func RuntimeDirectories(getenv func(string) string) []Directory {
	if path := getenv("TUNNELD_RUNTIME_DIR"); path != "" {
		return []Directory{{Path: path, Given: true}}
	}
	if path, _, _ := strings.Cut(getenv("RUNTIME_DIRECTORY"), ":"); path != "" { // systemd.exec(5): may be several
		return []Directory{{Path: path, Given: true}}
	}
	var list []Directory
	if path := getenv("XDG_RUNTIME_DIR"); path != "" {
		list = append(list, Directory{Path: filepath.Join(path, "tunneld"), inside: true})
	}
	root := os.Getuid() == 0
	if root {
		list = append(list, Directory{Path: serviceDirectory, foreign: true})
	}
	// For root it is the last resort, where /run cannot be written to: a container with --read-only and --tmpfs /tmp.
	return append(list, Directory{Path: filepath.Join(TemporaryDirectory, fmt.Sprintf("tunneld-%d", os.Getuid())), open: root})
}

// SearchedDirectories returns the places in which a process of ours may have its control socket: more than those that we
// would take ourselves, because it may have been started by systemd and the question comes from a terminal, or in a session and
// the question comes from cron, su or sudo. instances is InstanceDirectories.
func SearchedDirectories(getenv func(string) string, instances string) []Directory {
	list := RuntimeDirectories(getenv)
	if getenv("TUNNELD_RUNTIME_DIR") != "" {
		return list
	}
	without := func(name string) string {
		if name == "RUNTIME_DIRECTORY" {
			return ""
		}
		return getenv(name)
	}
	list = append(list, RuntimeDirectories(without)...)
	list = append(list, Directory{Path: filepath.Join(SessionDirectories, strconv.Itoa(os.Getuid()), "tunneld")})
	list = append(list, Directory{Path: serviceDirectory, foreign: true})
	own, _ := filepath.Glob(instances + "*")
	for _, path := range own {
		list = append(list, Directory{Path: path, foreign: true})
	}
	var kept []Directory
	for _, d := range list {
		if !slices.ContainsFunc(kept, func(k Directory) bool { return k.Path == d.Path }) {
			kept = append(kept, d)
		}
	}
	return kept
}

// Prepare makes the directory if need be, and refuses one that cannot be written to or in which others could put a socket
// in place of ours.
func (d Directory) Prepare() error {
	if above := filepath.Dir(d.Path); d.inside {
		if info, err := os.Stat(above); err == nil && OwnerOf(info) != os.Getuid() && OwnerOf(info) != 0 { // sudo -E
			return fmt.Errorf("%s belongs to user %d: %w", above, OwnerOf(info), os.ErrPermission)
		}
	}
	if err := os.MkdirAll(d.Path, 0o700); err != nil {
		return err
	}
	if err := unix.Access(d.Path, unix.W_OK|unix.X_OK); err != nil { // root may not write everywhere: EROFS
		return fmt.Errorf("%s: %w", d.Path, err)
	}
	if d.Given {
		return nil
	}
	info, err := d.stat()
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 && OwnerOf(info) == os.Getuid() {
		return filemode.Directory(d.Path, 0o700, d.foreign)
	}
	return nil
}

// stat refuses a directory that is not ours.
func (d Directory) stat() (os.FileInfo, error) {
	look := os.Lstat // a link in /tmp may be anybody's
	if d.Given || d.foreign {
		look = os.Stat // systemd makes links for DynamicUser=
	}
	info, err := look(d.Path)
	switch {
	case err != nil || d.Given:
		return info, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s is not a directory", d.Path)
	case OwnerOf(info) != os.Getuid() && !(d.foreign && os.Getuid() == 0):
		return nil, fmt.Errorf("%s belongs to user %d: %w", d.Path, OwnerOf(info), os.ErrPermission)
	case OwnerOf(info) != os.Getuid() && info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("%s can be written by others: %w", d.Path, os.ErrPermission)
	}
	return info, nil
}

// OwnerOf returns the user a file belongs to; -1 where that cannot be known.
func OwnerOf(info os.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}

// Sockets returns the paths of all control sockets in the directory; none where it does not exist.
func (d Directory) Sockets() ([]string, error) { return d.list(SocketSuffix, os.ModeSocket) }

// Traces returns the paths of the files that tell why processes ended (TracePath), and of those of processes that live.
func Traces(getenv func(string) string) (paths []string) {
	for _, place := range RuntimeDirectories(getenv) {
		list, _ := place.list(traceSuffix, 0) // of a place that cannot be read, none
		paths = append(paths, list...)
	}
	return paths
}

// TracePath returns the place beside a control socket for why its process ended, where nobody sees that.
func TracePath(socket string) string { return strings.TrimSuffix(socket, SocketSuffix) + traceSuffix }

// list returns the paths of the files of one type whose names end in suffix.
func (d Directory) list(suffix string, kind os.FileMode) ([]string, error) {
	if _, err := d.stat(); err != nil {
		if errors.Is(err, os.ErrNotExist) || d.open && errors.Is(err, os.ErrPermission) {
			return nil, nil
		}
		return nil, err
	}
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), suffix) && entry.Type() == kind {
			list = append(list, filepath.Join(d.Path, entry.Name()))
		}
	}
	return list, nil
}

const (
	// SocketSuffix ends the name of each control socket.
	SocketSuffix = ".sock"
	traceSuffix  = ".ended"
	// SocketNameMax is how long the name in it may be, in bytes; the rest of a longer one is replaced by a number that stands for it.
	SocketNameMax = 60
)

// SocketName returns the file name of the control socket of a process whose first tunnel is called name. What could lead out
// of the directory, hide the file or be taken for a flag is replaced.
func SocketName(name string) string {
	safe := []byte(name)
	for i, c := range safe {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c >= 0x80
		if !letter && (i == 0 || !strings.ContainsRune("-._@:+%", rune(c))) {
			safe[i] = '_'
		}
	}
	text := cmp.Or(string(safe), "_")
	if len(text) > SocketNameMax {
		text = fmt.Sprintf("%s-%08x", strings.ToValidUTF8(text[:SocketNameMax-9], "_"), checksum(name))
	}
	return text + SocketSuffix
}

// Writable returns the first place that can hold a socket, made ready; the error says why each of them cannot.
func Writable(log *slog.Logger, places []Directory) (place Directory, err error) {
	var failures []error
	for _, place = range places {
		err := place.Prepare()
		if err == nil {
			if len(failures) > 0 {
				log.Info("the control socket is in another directory than usual", "path", place.Path, "why", errors.Join(failures...))
			}
			return place, nil
		}
		failures = append(failures, err)
	}
	return place, errors.Join(failures...)
}
