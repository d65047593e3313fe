package rundir

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// UserSocket is a control socket of another user, for root to look at. Whatever is in that user's directories may be a lie: a link to
// a socket of root's, a directory that hangs, a socket of a third user. So each step of the way is taken without following links
// and without entering what is mounted there, has to belong to the user, and the one who listens has to be the user as well.
type UserSocket struct {
	UID     int
	Path    string // for people; nothing is opened by it
	More    bool   // the user has more sockets, which are not looked at
	base    string
	mounted bool     // the first step may lead to a file system of its own, in memory: systemd makes one for each user
	way     []string // from base to the socket
}

// mostUserSockets is how many sockets of a user are looked at: hundreds of silent ones say nothing about the tunnels of others.
const mostUserSockets = 16

// mostEntries is how many files of a user's directory are looked at.
const mostEntries = 512

// UserSockets returns the control sockets in the runtime directories of other users, where root asks: those below sessions, which
// is /run/user of systemd, and those in a temporary directory. own are directories that have been looked at.
func UserSockets(sessions, temporary string, own []Directory) []UserSocket {
	var list []UserSocket
	homes := numbered(sessions, "", "tunneld")
	for i := range homes {
		homes[i].mounted = true
	}
	for _, home := range append(homes, numbered(temporary, "tunneld-")...) {
		looked := func(d Directory) bool { return d.Path == home.Path }
		if !slices.ContainsFunc(own, looked) {
			list = append(list, home.sockets()...)
		}
	}
	return list
}

// numbered returns the directories below base whose names are prefix and a user's number, and what is below each of them.
func numbered(base, prefix string, below ...string) (homes []UserSocket) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		number, ok := strings.CutPrefix(entry.Name(), prefix)
		uid, err := strconv.ParseUint(number, 10, 31)
		if ok && err == nil && strconv.FormatUint(uid, 10) == number {
			way := append([]string{entry.Name()}, below...)
			homes = append(homes, UserSocket{UID: int(uid), Path: filepath.Join(append([]string{base}, way...)...), base: base, way: way})
		}
	}
	return homes
}

// sockets returns those in the directory that s leads to.
func (s UserSocket) sockets() (list []UserSocket) {
	dir, err := s.open(unix.S_IFDIR)
	if err != nil {
		return nil
	}
	defer unix.Close(dir)
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	file := os.NewFile(uintptr(fd), s.Path)
	defer file.Close()
	entries, _ := file.ReadDir(mostEntries) // as many as can be read
	more := len(entries) == mostEntries
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), SocketSuffix) || entry.Type() != os.ModeSocket {
			continue
		}
		if len(list) == mostUserSockets {
			more = true
			break
		}
		one := s
		one.Path, one.way = filepath.Join(s.Path, entry.Name()), append(slices.Clone(s.way), entry.Name())
		list = append(list, one)
	}
	if len(list) > 0 {
		list[0].More = more
	}
	return list
}

// Errors of the way to a user's socket.
var (
	errNotTheirs = errors.New("belongs to somebody else")
	errMounted   = errors.New("is a file system that may be the user's own")
)

// open walks the way, and returns a descriptor of its end, a file of that type, which is good for its path alone (O_PATH).
func (s UserSocket) open(kind uint32) (int, error) {
	at, err := unix.Open(s.base, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	for i, name := range s.way {
		how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV}
		next, err := unix.Openat2(at, name, &how)
		if errors.Is(err, unix.EXDEV) && i == 0 && s.mounted {
			how.Resolve &^= unix.RESOLVE_NO_XDEV
			next, err = enter(at, name, &how)
		}
		unix.Close(at)
		if err != nil {
			return -1, fmt.Errorf("%s: %w", name, err)
		}
		at = next
		wanted := uint32(unix.S_IFDIR)
		if i == len(s.way)-1 {
			wanted = kind
		}
		var info unix.Stat_t
		if err := unix.Fstat(at, &info); err != nil || int(info.Uid) != s.UID || info.Mode&unix.S_IFMT != wanted {
			unix.Close(at)
			return -1, fmt.Errorf("%s: %w", name, errors.Join(errNotTheirs, err))
		}
	}
	return at, nil
}

// enter opens a directory that is a mount point, where what is mounted there is in memory. A user can mount a FUSE of theirs, and
// whoever asks that anything may wait for the answer for ever: it is opened for its path alone, and only the kernel is asked what it is.
func enter(at int, name string, how *unix.OpenHow) (int, error) {
	fd, err := unix.Openat2(at, name, how)
	if err != nil {
		return -1, err
	}
	if kind, err := mountedAt(fd); err != nil || kind != "tmpfs" {
		unix.Close(fd)
		return -1, errors.Join(errMounted, err)
	}
	return fd, nil
}

// mountedAt returns the type of the file system that an open file is in.
func mountedAt(fd int) (kind string, err error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd)) // proc_pid_fdinfo(5)
	if err != nil {
		return "", err
	}
	var number string
	for line := range strings.Lines(string(info)) {
		if value, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			number = strings.TrimSpace(value)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo") // proc_pid_mountinfo(5): number ... - type source options
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		if first, rest, _ := strings.Cut(line, " "); first == number {
			_, rest, _ = strings.Cut(rest, " - ")
			kind, _, _ = strings.Cut(rest, " ")
		}
	}
	return kind, nil
}

// Dial connects to the socket.
func (s UserSocket) Dial(ctx context.Context) (net.Conn, error) {
	fd, err := s.open(unix.S_IFSOCK)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	conn, err := new(net.Dialer).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return nil, err
	}
	if _, uid, ok := peerOf(conn); !ok || uid != s.UID {
		conn.Close()
		return nil, fmt.Errorf("who listens at %s is not user %d: %w", filepath.Base(s.Path), s.UID, syscall.EACCES)
	}
	return conn, nil
}
