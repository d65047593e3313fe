package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/config"
)

// Each alias may run commands and look names up: they do so side by side, and not all of them.
func TestAliasesAreResolvedSideBySide(t *testing.T) {
	var aliases []string
	for i := range 5 * mostResolved {
		aliases = append(aliases, fmt.Sprint("alias-", i))
	}
	var now, most atomic.Int32
	together := make(chan struct{})
	entries := closedEntries(aliases, func(alias string) (view.Entry, bool) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
			if n == mostResolved {
				close(together)
			}
		}
		select {
		case <-together:
		case <-time.After(10 * time.Second):
		}
		now.Add(-1)
		return view.Entry{Name: alias}, alias != "alias-7"
	})
	if most.Load() != mostResolved {
		t.Errorf("%d at once, want %d", most.Load(), mostResolved)
	}
	for i, e := range entries {
		if (e == nil) != (i == 7) || e != nil && e.Name != aliases[i] {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
}

// What cannot be asked is said, and the rest is shown.
func TestListSaysWhatItCouldNotAsk(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TUNNELD_RUNTIME_DIR", dir)
	os.WriteFile(filepath.Join(dir, "config"), []byte("Host db\nHostName 127.0.0.1\nLocalForward 8080 db:80\n"), 0o600)
	listener, err := rundir.ListenSocket(t.Context(), filepath.Join(dir, rundir.SocketName("liar")))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "no report") })}
	go server.Serve(listener)
	defer server.Close()
	var out, problems bytes.Buffer
	code := run(t.Context(), []string{"tunneld", "list", "-F", filepath.Join(dir, "config")}, &out, &problems)
	if code != exit.OK || !strings.Contains(out.String(), "db") || !strings.Contains(problems.String(), "liar") {
		t.Errorf("exit %d\n%s\n%s", code, &out, &problems)
	}
}

// Of several -F the last one counts, as for ssh: also for which aliases there are.
func TestLastConfigurationCounts(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TUNNELD_RUNTIME_DIR", dir)
	args := []string{"tunneld", "list"}
	for _, alias := range []string{"first", "last"} {
		path := filepath.Join(dir, alias)
		if err := os.WriteFile(path, []byte("Host "+alias+"\nHostName 127.0.0.1\nLocalForward 8080 db:80\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-F", path)
	}
	var out, problems bytes.Buffer
	code := run(t.Context(), args, &out, &problems)
	if code != exit.OK || !strings.Contains(out.String(), "last") || strings.Contains(out.String(), "first") {
		t.Errorf("exit %d\n%s\n%s", code, &out, &problems)
	}
}

// Of two files one may not be readable: that was not told where the other one has aliases.
func TestListSaysWhatItCouldNotRead(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TUNNELD_RUNTIME_DIR", dir)
	readable, unreadable := filepath.Join(dir, "config"), filepath.Join(dir, "directory") // which root cannot read as a file either
	if err := errors.Join(os.Mkdir(unreadable, 0o700), os.WriteFile(readable, []byte("Host db\nHostName 127.0.0.1\nLocalForward 8080 db:80\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, files := range [][2]string{{readable, unreadable}, {unreadable, readable}} {
		environment := config.Environment{Home: dir, LocalUser: "bob", UID: os.Getuid(), HostName: "here", UserFile: files[0], SystemFile: files[1]}
		entries, problems, err := listEntries(t.Context(), environment, new(sshFlags))
		if err != nil || len(entries) != 1 || entries[0].Name != "db" {
			t.Errorf("%v, %+v", err, entries)
		}
		if len(problems) != 1 || !strings.Contains(problems[0].Error(), unreadable) {
			t.Errorf("it tells of %v", problems)
		}
	}
}
