package rundir

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/monitor/beat"
)

// Server answers on a control socket, and makes that anew where its file has gone: the directory of a session goes with the session
// (XDG_RUNTIME_DIR), while what was put into the background goes on. Its methods may be called from any goroutine.
type Server struct {
	serving sync.WaitGroup
	closing sync.Once

	mu       sync.Mutex   // guards all following fields
	server   *http.Server // nil: nobody is answered yet
	path     string
	file     os.FileInfo // as it was made: another one in its place is not ours to remove
	listener net.Listener
	closed   bool
}

// NewServer makes the socket at path, in a directory whose lock the caller has. Nobody is answered before Serve.
func NewServer(ctx context.Context, path string) (*Server, error) {
	listener, file, err := makeSocket(ctx, path)
	if err != nil {
		return nil, err
	}
	return &Server{path: path, file: file, listener: listener}, nil
}

func makeSocket(ctx context.Context, path string) (net.Listener, os.FileInfo, error) {
	listener, err := ListenSocket(ctx, path)
	if err != nil {
		return nil, nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("control socket: %w", err)}
	}
	file, err := os.Lstat(path)
	if err != nil {
		listener.Close()
		return nil, nil, err
	}
	return listener, file, nil
}

// Path returns where the socket is, or was last.
func (s *Server) Path() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.path
}

// Serve has server answer from now on. It is called once.
func (s *Server) Serve(server *http.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server = server
	s.answerLocked()
}

func (s *Server) answerLocked() {
	server, listener := s.server, s.listener
	s.serving.Go(func() { server.Serve(listener) })
}

// lookEvery is how often it is found out whether the socket is still there.
const lookEvery = 4 * time.Second

// Keep makes the socket anew where its file goes, until ctx is done, and calls made each time. It is called after Serve.
func (s *Server) Keep(ctx context.Context, log *slog.Logger, made func()) {
	tick := beat.NewTicker(lookEvery)
	defer tick.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			tick.Next()
		}
		again, err := s.Renew(ctx, func() []Directory { return RuntimeDirectories(os.Getenv) })
		switch {
		case again:
			log.Info("control socket made anew", "path", s.Path(), "why", "its file was gone")
			made()
		case err != nil && !told && ctx.Err() == nil:
			log.Warn("no control socket: status, reconnect and down will not find this process", "err", err)
		}
		told = err != nil
	}
}

// Renew makes the socket anew, in the first of these places that can hold it, where its file has gone. It is called after Serve, by
// one goroutine. made is false where the socket is where it was, and nobody asks for places.
func (s *Server) Renew(ctx context.Context, places func() []Directory) (made bool, err error) {
	if s.isThere() {
		return false, nil
	}
	place, err := Writable(slog.New(slog.DiscardHandler), slices.DeleteFunc(slices.Clone(places()), Directory.isOver))
	if err != nil {
		return false, err
	}
	dir, err := os.Open(place.Path)
	if err != nil {
		return false, err
	}
	defer dir.Close() // and with it the lock
	if err := LockFile(ctx, dir); err != nil {
		return false, err
	}
	path, err := freePath(ctx, filepath.Join(place.Path, filepath.Base(s.Path())))
	if err != nil {
		return false, err
	}
	listener, file, err := makeSocket(ctx, path)
	if err != nil {
		return false, err
	}
	return s.adopt(path, file, listener), nil
}

// adopt has those be answered that come by a new socket.
func (s *Server) adopt(path string, file os.FileInfo, listener net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		os.Remove(path)
		listener.Close()
		return false
	}
	before := s.listener
	s.path, s.file, s.listener = path, file, listener
	s.answerLocked()
	before.Close()
	return true
}

// isThere reports whether the socket can be found, as far as that can be known.
func (s *Server) isThere() bool {
	s.mu.Lock()
	path, file := s.path, s.file
	s.mu.Unlock()
	now, err := os.Lstat(path)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	return os.SameFile(now, file)
}

// freePath returns path, or one beside it where another process listens there. A file that is left over is removed.
func freePath(ctx context.Context, path string) (string, error) {
	free, base := path, strings.TrimSuffix(path, SocketSuffix)
	for n := 2; ; n++ {
		pid, err := InUse(ctx, free)
		if err != nil {
			return "", err
		}
		if pid == 0 {
			break
		}
		free = fmt.Sprintf("%s-%d%s", base, n, SocketSuffix)
	}
	if err := os.Remove(free); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return free, nil
}

// closeTime is how long those who wait for an answer may take to get it.
const closeTime = time.Second

// Close removes the socket, and returns those who wait for an answer the time to get it. The file is looked at once: the number by
// which it is known is free when the socket is closed, and may be that of the next process's.
func (s *Server) Close() { s.closing.Do(s.close) }

func (s *Server) close() {
	s.mu.Lock()
	s.closed = true
	server, path, file, listener := s.server, s.path, s.file, s.listener
	s.mu.Unlock()
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, file) {
		os.Remove(path)
	}
	if server == nil {
		listener.Close()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	server.Shutdown(ctx)
	server.Close()
	s.serving.Wait()
}
