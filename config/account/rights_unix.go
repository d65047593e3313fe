//go:build unix

package account

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// Secure reports whether an open file belongs to us or to root and nobody but its owner can write to it. A group whose only
// member is the owner may, as in Debian's OpenSSH.
func Secure(_ *os.File, info fs.FileInfo, uid int) bool {
	owner, group, ok := ownership(info)
	if !ok {
		return true
	}
	mode := info.Mode().Perm()
	switch {
	case owner != 0 && owner != uid, mode&0o002 != 0:
		return false
	case mode&0o020 != 0:
		return onlyMember(owner, group, uid)
	}
	return true
}

func ownership(info fs.FileInfo) (owner, group int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(stat.Uid), int(stat.Gid), true
}

// Owner returns who owns a file; it is false where the system does not say.
func Owner(info fs.FileInfo) (uid int, ok bool) {
	uid, _, ok = ownership(info)
	return uid, ok
}

// onlyMember reports whether the owner is the only member of group, by the local files of users and groups.
func onlyMember(owner, group, uid int) bool {
	members, ownerName := 0, ""
	for _, user := range accounts("/etc/passwd", 4) {
		if user[2] == fmt.Sprint(owner) {
			ownerName = user[0]
		}
		if user[3] != fmt.Sprint(group) {
			continue
		}
		if user[2] != fmt.Sprint(uid) {
			return false
		}
		members++
	}
	found := false
	for _, g := range accounts("/etc/group", 4) {
		if g[2] != fmt.Sprint(group) {
			continue
		}
		found = true
		if g[3] == "" {
			break
		}
		if g[3] != ownerName {
			return false
		}
		members++
		break
	}
	return found && ownerName != "" && members > 0
}

// accounts reads a file of lines with fields between colons.
func accounts(path string, fields int) [][]string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var all [][]string
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), ":"); len(f) >= fields {
			all = append(all, f)
		}
	}
	return all
}
