package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/tunnel"
)

// directory is a place for control sockets.
type directory struct {
	path    string
	given   bool // somebody named it for us and vouches for it
	foreign bool // it may belong to another user, if we are root: then it is that of a service
	inside  bool // the directory that it is in may be another user's, who can put anything in its place: then we make nothing there
	open    bool // others can make it before us: one that is not ours has no socket of ours, and is passed over
}

const (
	// serviceDirectory is where root's sockets are, and those of tunneld@.service.
	serviceDirectory = "/run/tunneld"
	// instanceDirectories is what the directories of instances with a user of their own begin with (unit --run-as).
	instanceDirectories = serviceDirectory + "@"
)

// runtimeDirectories returns the places for a process's control socket, the best first: it takes the first that it can
// write to.
func runtimeDirectories(getenv func(string) string) []directory {
	if path := getenv("TUNNELD_RUNTIME_DIR"); path != "" {
		return []directory{{path: path, given: true}}
	}
	if path, _, _ := strings.Cut(getenv("RUNTIME_DIRECTORY"), ":"); path != "" { // systemd.exec(5): may be several
		return []directory{{path: path, given: true}}
	}
	var list []directory
	if path := getenv("XDG_RUNTIME_DIR"); path != "" {
		list = append(list, directory{path: filepath.Join(path, "tunneld"), inside: true})
	}
	root := os.Getuid() == 0
	if root {
		list = append(list, directory{path: serviceDirectory, foreign: true})
	}
	// For root it is the last resort, where /run cannot be written to: a container with --read-only and --tmpfs /tmp.
	return append(list, directory{path: filepath.Join("/tmp", fmt.Sprintf("tunneld-%d", os.Getuid())), open: root})
}

// searchedDirectories returns the places in which a process of ours may have its control socket: more than those that we
// would take ourselves, because it may have been started by systemd and the question comes from a terminal. instances is
// instanceDirectories.
func searchedDirectories(getenv func(string) string, instances string) []directory {
	list := runtimeDirectories(getenv)
	if getenv("TUNNELD_RUNTIME_DIR") != "" {
		return list
	}
	without := func(name string) string {
		if name == "RUNTIME_DIRECTORY" {
			return ""
		}
		return getenv(name)
	}
	list = append(list, runtimeDirectories(without)...)
	list = append(list, directory{path: serviceDirectory, foreign: true})
	own, _ := filepath.Glob(instances + "*")
	for _, path := range own {
		list = append(list, directory{path: path, foreign: true})
	}
	var kept []directory
	for _, d := range list {
		if !slices.ContainsFunc(kept, func(k directory) bool { return k.path == d.path }) {
			kept = append(kept, d)
		}
	}
	return kept
}

// prepare makes the directory if need be, and refuses one that cannot be written to or in which others could put a socket
// in place of ours.
func (d directory) prepare() error {
	if above := filepath.Dir(d.path); d.inside {
		if info, err := os.Stat(above); err == nil && ownerOf(info) != os.Getuid() && ownerOf(info) != 0 { // sudo -E
			return fmt.Errorf("%s belongs to user %d: %w", above, ownerOf(info), os.ErrPermission)
		}
	}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return err
	}
	if err := unix.Access(d.path, unix.W_OK|unix.X_OK); err != nil { // root may not write everywhere: EROFS
		return fmt.Errorf("%s: %w", d.path, err)
	}
	if d.given {
		return nil
	}
	info, err := d.stat()
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 && ownerOf(info) == os.Getuid() {
		return tunnel.ChmodDirectory(d.path, 0o700, d.foreign)
	}
	return nil
}

// stat refuses a directory that is not ours.
func (d directory) stat() (os.FileInfo, error) {
	look := os.Lstat // a link in /tmp may be anybody's
	if d.given || d.foreign {
		look = os.Stat // systemd makes links for DynamicUser=
	}
	info, err := look(d.path)
	switch {
	case err != nil || d.given:
		return info, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s is not a directory", d.path)
	case ownerOf(info) != os.Getuid() && !(d.foreign && os.Getuid() == 0):
		return nil, fmt.Errorf("%s belongs to user %d: %w", d.path, ownerOf(info), os.ErrPermission)
	case ownerOf(info) != os.Getuid() && info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("%s can be written by others: %w", d.path, os.ErrPermission)
	}
	return info, nil
}

func ownerOf(info os.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}

// sockets returns the paths of all control sockets in the directory; none where it does not exist.
func (d directory) sockets() ([]string, error) {
	if _, err := d.stat(); err != nil {
		if errors.Is(err, os.ErrNotExist) || d.open && errors.Is(err, os.ErrPermission) {
			return nil, nil
		}
		return nil, err
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), socketSuffix) && entry.Type()&os.ModeSocket != 0 {
			list = append(list, filepath.Join(d.path, entry.Name()))
		}
	}
	return list, nil
}

const (
	socketSuffix  = ".sock"
	socketNameMax = 60 // bytes; the rest of a longer name is replaced by a number that stands for it
)

// socketName returns the file name of the control socket of a process whose first tunnel is called name. What could lead out
// of the directory, hide the file or be taken for a flag is replaced.
func socketName(name string) string {
	safe := []byte(name)
	for i, c := range safe {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c >= 0x80
		if !letter && (i == 0 || !strings.ContainsRune("-._@:+%", rune(c))) {
			safe[i] = '_'
		}
	}
	text := cmp.Or(string(safe), "_")
	if len(text) > socketNameMax {
		text = fmt.Sprintf("%s-%08x", strings.ToValidUTF8(text[:socketNameMax-9], "_"), checksum(name))
	}
	return text + socketSuffix
}
