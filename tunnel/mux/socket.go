package mux

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/tunneld/tunneld/config/errno"
	"github.com/tunneld/tunneld/config/filelock"
)

// ForeignError is Listen's where another master lives at the path.
type ForeignError struct {
	Path string
	PID  int // of that master, as it says itself; 0: it does not answer
}

func (e *ForeignError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("ControlPath %s is another program's, which does not answer", e.Path)
	}
	return fmt.Sprintf("ControlPath %s is the socket of another master, process %d", e.Path, e.PID)
}

// askTime is how long another master may take to say that it lives, or to stop listening.
const askTime = 2 * time.Second

// Listen makes the socket of a master at path, which nobody but the user may connect to. A file that is left over by a master
// that has ended is taken over; where one lives, it is asked to stop listening if take says so, else, or if it
// does not, the error is a *ForeignError. No directory is made.
func Listen(ctx context.Context, path string, take bool) (*Socket, error) {
	defer lockDirectory(ctx, path)()
	for try := 0; ; try++ {
		s, err := create(path)
		if !errors.Is(err, os.ErrExist) || try == 2 {
			return s, err
		}
		if err := makeRoom(ctx, path, take); err != nil {
			return nil, err
		}
	}
}

// lockDirectory keeps others of our kind from removing what is left over at path: the second would remove what the first has
// put in its place. It waits for a moment alone, since whoever has the lock may wait for another master.
func lockDirectory(ctx context.Context, path string) (unlock func()) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return func() {} // there will be no socket
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if filelock.Wait(ctx, dir) != nil {
		dir.Close()
		return func() {}
	}
	return func() { dir.Close() }
}

// makeRoom removes what is left over at path, or has the master that lives there stop listening.
func makeRoom(ctx context.Context, path string, take bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil // it went meanwhile
	case err != nil:
		return err
	case info.Mode()&os.ModeSocket == 0:
		return fmt.Errorf("ControlPath %s: what is there is no socket: remove it, or choose another path", path)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	pid, err := Alive(ctx, path)
	if errors.Is(err, errno.Refused) {
		return removeSame(path, info)
	}
	if take && err == nil && stopListening(ctx, path) == nil {
		return nil
	}
	return &ForeignError{path, pid}
}

// removeSame removes the file at path if it is still that one.
func removeSame(path string, file os.FileInfo) error {
	now, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(now, file) {
		return nil
	}
	if err == nil {
		err = os.Remove(path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Socket is a master's socket. Closing it removes its file, if that is still ours.
type Socket struct {
	*net.UnixListener
	path  string
	file  os.FileInfo
	lstat func(string) (os.FileInfo, error) // os.Lstat
}

// Path returns where clients find it.
func (s *Socket) Path() string { return s.path }

// InPlace reports whether clients still find it at its path.
func (s *Socket) InPlace() bool {
	now, err := s.lstat(s.path)
	return err == nil && os.SameFile(now, s.file)
}

// removeTime is how long a file system may take to remove the file of a socket, which goes on by itself then.
const removeTime = 2 * time.Second

// Close removes the file and stops listening, in this order: clients do not find a socket that nobody listens on. It waits for
// removeTime at most. It does nothing to nil.
func (s *Socket) Close() error {
	if s == nil {
		return nil
	}
	removed := make(chan error, 1)
	go func() { removed <- s.remove() }()
	late := time.NewTimer(removeTime)
	defer late.Stop()
	var err error
	select {
	case err = <-removed:
	case <-late.C:
		err = fmt.Errorf("ControlPath %s: %w", s.path, errSlow)
	}
	return errors.Join(err, s.UnixListener.Close())
}

// errSlow is a file system that does not answer.
var errSlow = errors.New("the file system does not answer")

func (s *Socket) remove() error {
	if !s.InPlace() {
		return nil
	}
	if err := os.Remove(s.path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// create makes the socket under another name and links it to its own: at path there is never one that nobody listens on,
// nor one that others may connect to, and what is there already stays, which is os.ErrExist.
func create(path string) (*Socket, error) {
	draft := path + "." + rand.Text()[:8] // short: OpenSSH's own draft takes 17 bytes more than the path
	l, err := listenPrivately(draft)
	var failed *net.OpError
	switch {
	case errors.As(err, &failed):
		return nil, fmt.Errorf("ControlPath %s: %w", path, failed.Err) // without the draft's name, which is another each time
	case err != nil:
		return nil, err
	}
	defer os.Remove(draft)
	if err = os.Link(draft, path); err == nil {
		var file os.FileInfo
		if file, err = os.Lstat(draft); err == nil {
			return &Socket{l, path, file, os.Lstat}, nil
		}
	}
	l.Close()
	return nil, err
}
