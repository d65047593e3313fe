package rundir

import (
	"cmp"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// Places of other systems, which are not looked at here.
const (
	InstanceDirectories = ""
	SessionDirectories  = ""
	TemporaryDirectory  = ""
)

// RuntimeDirectories returns the places for a process's control socket, the best first: that of the user, who is SYSTEM for a service.
func RuntimeDirectories(getenv func(string) string) []Directory {
	if path := getenv("TUNNELD_RUNTIME_DIR"); path != "" {
		return []Directory{{Path: path, Given: true}}
	}
	var list []Directory
	for _, place := range []string{getenv("LOCALAPPDATA"), os.TempDir()} {
		if place != "" {
			list = append(list, Directory{Path: filepath.Join(place, "tunneld")})
		}
	}
	return list
}

// SearchedDirectories returns the places in which a process of ours may have its control socket: besides our own, that of a service, where
// administrators alone may look.
func SearchedDirectories(getenv func(string) string, _ string) []Directory {
	list := RuntimeDirectories(getenv)
	if getenv("TUNNELD_RUNTIME_DIR") != "" {
		return list
	}
	system := filepath.Join(cmp.Or(getenv("SystemRoot"), `C:\Windows`), `System32\config\systemprofile\AppData\Local\tunneld`)
	for _, d := range list {
		if d.Path == system {
			return list
		}
	}
	return append(list, Directory{Path: system, foreign: true, open: true})
}

// OwnerOf returns -1: owners have no numbers.
func OwnerOf(os.FileInfo) int { return -1 }

// writable returns nil: the directory has just been made, or a file cannot be made in it.
func writable(string) error { return nil }

// keepToUs does nothing: the list of the directory says who may connect.
func keepToUs(uintptr) {}

// lives reports whether there is a process of that number.
func lives(pid int) bool {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return err == windows.ERROR_ACCESS_DENIED
	}
	windows.CloseHandle(process)
	return true
}
