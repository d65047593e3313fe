package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/mux"
)

// The program is asked once, and again when another has taken its place; never every few seconds.
func TestVersionOfSSHIsAskedOnce(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	asked := filepath.Join(dir, "asked")
	install := func(version string, at time.Time) {
		t.Helper()
		program := filepath.Join(dir, "ssh")
		os.WriteFile(program, fmt.Appendf(nil, "#!/bin/sh\necho x >>%s\necho OpenSSH_%s >&2\n", asked, version), 0o700)
		if err := os.Chtimes(program, at, at); err != nil {
			t.Fatal(err)
		}
	}
	master := config.Master{Path: "old", JumpPath: "new"}
	var c clients
	for i, step := range []struct{ version, want string }{{"9.2p1", "old"}, {"9.6p1", "new"}, {"10.0p2", "new"}, {"8.9p1", "old"}} {
		install(step.version, time.Unix(int64(i), 0))
		for range 3 {
			if path := c.path(t.Context(), master); path != step.want {
				t.Errorf("OpenSSH %s looks at %s, want %s", step.version, path, step.want)
			}
		}
		if text, _ := os.ReadFile(asked); strings.Count(string(text), "x") != i+1 {
			t.Errorf("asked %d times for %d versions", strings.Count(string(text), "x"), i+1)
		}
	}
	os.Remove(filepath.Join(dir, "ssh"))
	t.Setenv("PATH", dir)
	if path := c.path(t.Context(), master); path != "new" {
		t.Errorf("without an ssh: %s", path)
	}
}

// The directory of the ControlPath may go and come back: one warning, and then clients find the socket again.
func TestControlPathComesBackWithItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cm")
	path := filepath.Join(dir, "socket")
	var log strings.Builder
	s := newSharing(nil, slog.New(slog.NewTextHandler(&log, nil)))
	defer s.master.Close()
	wanted := config.Master{Mode: config.MasterAuto, Path: path, JumpPath: path}
	for range 2 {
		os.Mkdir(dir, 0o700)
		s.settle(context.Background(), wanted)
		if !s.master.InPlace() {
			t.Fatalf("no socket\n%s", &log)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			s.settle(context.Background(), wanted)
		}
		if s.master.InPlace() {
			t.Error("in place, without a directory")
		}
	}
	if n := strings.Count(log.String(), "not sharing"); n != 2 {
		t.Errorf("%d warnings for two times\n%s", n, &log)
	}
}

// admitting is a tunnel with room for clients.
type admitting struct{ mux.Tunnel }

func (admitting) Admit(int) (release func(), ok bool) { return func() {}, true }

// However often a master of somebody else is found at the path, that is told once; and when it has gone, tunneld listens.
func TestOneWarningOfAForeignMaster(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cm")
	socket, err := mux.Listen(t.Context(), path, false)
	if err != nil {
		t.Fatal(err)
	}
	other := mux.New(admitting{}, slog.New(slog.DiscardHandler))
	other.Serve(socket)
	defer other.Close()
	var log strings.Builder
	s := newSharing(nil, slog.New(slog.NewTextHandler(&log, nil)))
	defer s.master.Close()
	wanted := config.Master{Mode: config.MasterAuto, Path: path, JumpPath: path}
	for range 3 {
		s.settle(t.Context(), wanted)
	}
	if n := strings.Count(log.String(), "is the socket of another master"); n != 1 || !other.InPlace() {
		t.Errorf("%d warnings; the other is in place: %t\n%s", n, other.InPlace(), &log)
	}
	other.Close()
	s.settle(t.Context(), wanted)
	if !s.master.InPlace() || strings.Count(log.String(), "level=WARN") != 1 {
		t.Errorf("it has gone\n%s", &log)
	}
}
