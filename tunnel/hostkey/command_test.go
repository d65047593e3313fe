package hostkey

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/tunnel/fault"
	"golang.org/x/crypto/ssh"
)

// script writes a program of /bin/sh and returns its path.
func script(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "command")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+strings.Join(lines, "\n")+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// ssh runs the command for the order of algorithms, for the name and for the address, with these values.
func TestKnownHostsCommandTokens(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	key := testKey(t, "ed25519 a")
	o := hostOptions(t, 2222, writeLines(t))
	o.KnownHostsCommand = script(t, `echo "$@" >> `+log, `test "$1" = HOSTNAME && echo "$2 $3 $4"`, "true") + " %I %H %t %K %f %%H"
	h := newTestHostKeys(t, o, nil)
	if err := h.Check(t.Context(), nil, key); err != nil {
		t.Fatal(err)
	}
	if h.accepted.Load().learnable {
		t.Error("keys may be learned by the command's")
	}
	blob := base64.StdEncoding.EncodeToString(key.Marshal())
	want := "ORDER host.example NONE NONE NONE %H\nHOSTNAME [host.example]:2222 ssh-ed25519 " + blob + " " + ssh.FingerprintSHA256(key) + " %H\n"
	if got := readFile(t, log); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestKnownHostsCommandOrders(t *testing.T) {
	o := hostOptions(t, 2222, writeLines(t))
	o.KnownHostsCommand = script(t, `echo "$1 `+keyText(testKey(t, "rsa a"))+`"`) + " %H"
	if got := newTestHostKeys(t, o, nil).Algorithms()[0]; got != ssh.CertAlgoRSASHA512v01 {
		t.Errorf("%s is offered first", got)
	}
}

func TestKnownHostsCommandFails(t *testing.T) {
	o := hostOptions(t, 22, writeLines(t, hostLine(t, "host.example", "ed25519 a")))
	o.KnownHostsCommand = script(t, "echo the directory is down >&2", "exit 3")
	_, err := Read(t.Context(), o, nil, nil, testLog(t))
	if fault.PhaseOf(err) != fault.PhaseHostKey || fault.IsPermanent(err) || !strings.Contains(err.Error(), "the directory is down") {
		t.Errorf("error %v", err)
	}
	o.KnownHostsCommand = script(t, "yes")
	if _, err := Read(t.Context(), o, nil, nil, testLog(t)); err == nil || !strings.Contains(err.Error(), "bytes of output") {
		t.Errorf("endless output: %v", err)
	}
	for _, command := range []string{"relative", "/missing/command", `"`} { // ssh goes on without
		o.KnownHostsCommand = command
		if err := newTestHostKeys(t, o, nil).Check(t.Context(), nil, testKey(t, "ed25519 a")); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
}

// The end of the attempt ends the command and what it started, also where that keeps the pipes open.
func TestKnownHostsCommandEndsWithContext(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	o := hostOptions(t, 22, writeLines(t))
	o.KnownHostsCommand = script(t, "sleep 1000 & echo $! > "+pid+".new", "mv "+pid+".new "+pid, "wait")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := Read(ctx, o, nil, nil, testLog(t))
		ended <- err
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		if _, err := os.Stat(pid); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the command does not run")
		}
	}
	reason := errors.New("stopped")
	cancel(reason)
	if err := <-ended; !errors.Is(err, reason) || fault.IsPermanent(err) {
		t.Errorf("error %v", err)
	}
	child := strings.TrimSpace(readFile(t, pid))
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		stat, err := os.ReadFile("/proc/" + child + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what the command started lives on")
		}
	}
}
