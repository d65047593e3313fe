package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/mux"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

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

// A tunnel without a ControlPath has no goroutine for it. It gets one with the reload that brings one, and none after its end.
func TestSharingBeginsWhenItIsWished(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cm")
	s := newSharing(nil, slog.New(slog.DiscardHandler))
	defer s.master.Close()
	running, end := context.WithCancel(t.Context())
	s.live(running)
	s.adopt(config.Master{})
	if s.ended != nil {
		t.Error("there is nothing to listen for")
	}
	for _, wanted := range []config.Master{{Mode: config.MasterAuto, Path: path, JumpPath: path}, {}, {Mode: config.MasterAuto, Path: path, JumpPath: path}} {
		s.adopt(wanted)
		sshtest.Eventually(t, "it listens as it is wished", func() bool { return s.master.InPlace() == wanted.Listens() })
	}
	end()
	<-s.over()
	if s.adopt(config.Master{Mode: config.MasterAuto, Path: path, JumpPath: path}); s.master.InPlace() || s.begin != nil {
		t.Error("it listens after the end of the tunnel")
	}
	never := newSharing(nil, slog.New(slog.DiscardHandler))
	never.live(t.Context())
	if never.over() != nil {
		t.Error("there is nothing to wait for")
	}
	if never.adopt(config.Master{Mode: config.MasterAuto, Path: path, JumpPath: path}); never.ended != nil {
		t.Error("it has begun after the end of the tunnel")
	}
}
