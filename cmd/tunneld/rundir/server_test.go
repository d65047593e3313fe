//go:build unix

package rundir

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// newServed returns a Server that answers "here" at a socket in dir.
func newServed(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := NewServer(t.Context(), filepath.Join(dir, "db.sock"))
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") })})
	t.Cleanup(s.Close)
	return s
}

// answers reports whether somebody answers "here" at the socket.
func answers(t *testing.T, path string) bool {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return DialSocket(ctx, path) }}}
	response, err := client.Get("http://tunneld/")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return string(text) == "here"
}

// The directory of a session goes when its user logs out, and `up -f` goes on: nobody found the process again, whoever logged in, and
// the next `up` met its ports.
func TestSocketIsMadeAgain(t *testing.T) {
	session, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	places := []Directory{{Path: filepath.Join(session, "tunneld"), inside: true}, {Path: other}}
	renew := func(s *Server, want string) {
		t.Helper()
		asked := false
		made, err := s.Renew(t.Context(), func() []Directory {
			asked = true
			return places
		})
		if asked != (want != "") {
			t.Errorf("asked for places: %t", asked)
		}
		if err != nil || made != (want != "") {
			t.Fatalf("made: %t, %v", made, err)
		}
		if want != "" && s.Path() != want {
			t.Fatalf("it is at %s, want %s", s.Path(), want)
		}
		if !answers(t, s.Path()) {
			t.Errorf("nobody answers at %s", s.Path())
		}
		if info, err := os.Lstat(s.Path()); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket: %v, %v; want mode 600", info, err)
		}
	}
	if err := os.Mkdir(places[0].Path, 0o700); err != nil {
		t.Fatal(err)
	}
	s := newServed(t, places[0].Path)
	renew(s, "")
	os.Remove(s.Path())
	renew(s, filepath.Join(session, "tunneld", "db.sock"))
	os.RemoveAll(places[0].Path)
	renew(s, filepath.Join(session, "tunneld", "db.sock"))
	os.RemoveAll(session)
	renew(s, filepath.Join(other, "db.sock"))
	if _, err := os.Stat(session); err == nil {
		t.Error("it has made the directory of a session")
	}
	if err := os.MkdirAll(places[0].Path, 0o700); err != nil { // somebody logs in again
		t.Fatal(err)
	}
	renew(s, "")

	os.Remove(s.Path())
	next := newServed(t, other)
	places = places[1:]
	renew(s, filepath.Join(other, "db-2.sock"))
	s.Close()
	if !answers(t, next.Path()) {
		t.Error("the socket of the next process is gone")
	}
	if _, err := os.Lstat(s.Path()); !os.IsNotExist(err) {
		t.Errorf("its own is still there: %v", err)
	}
	if made, err := s.Renew(t.Context(), func() []Directory { return places }); made {
		t.Errorf("it is made again after its end: %v", err)
	}
}

// The number of a file is free once the socket is closed, and on some file systems the next file has it at once: a process that closed
// its socket twice, as each did, took that of the next one away.
func TestSocketIsRemovedOnce(t *testing.T) {
	dir := t.TempDir()
	s := newServed(t, dir)
	s.Close()
	next := newServed(t, dir)
	s.mu.Lock()
	s.file = next.file
	s.mu.Unlock()
	s.Close()
	if !answers(t, next.Path()) {
		t.Error("the socket of the next process is gone")
	}
}
