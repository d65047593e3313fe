//go:build unix

package rundir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

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

// OwnerOf returns the user a file belongs to; -1 where that cannot be known.
func OwnerOf(info os.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}

func writable(directory string) error { return unix.Access(directory, unix.W_OK|unix.X_OK) }

// keepToUs sets the mode of a socket before it has a name.
func keepToUs(socket uintptr) { syscall.Fchmod(int(socket), 0o600) }

// lives reports whether there is a process of that number (kill(2) with signal 0).
func lives(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
