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
	"strings"

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
	if err := writable(d.Path); err != nil { // root may not write everywhere: EROFS
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

// isOver reports whether the directory that it is in, which is not for us to make, has gone: that of a session that has ended.
func (d Directory) isOver() bool {
	_, err := os.Stat(filepath.Dir(d.Path))
	return d.inside && errors.Is(err, os.ErrNotExist)
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
