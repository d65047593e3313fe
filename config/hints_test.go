package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// What a service's user cannot mend is said to root, with the user's number: the name may be known to systemd alone.
func TestHintsOfAServiceAreForRoot(t *testing.T) {
	p := newPerson(t)
	p.environment.Service, p.environment.LocalUser = true, "tunneld"
	path := p.user("Host db\n  Port 2222\n")
	if err := os.Chmod(path, 0o622); err != nil {
		t.Fatal(err)
	}
	_, err := p.resolve("db")
	wantHint(t, err, "as root, for the service runs as "+p.environment.account().String()+": chmod go-w "+path)

	if os.Getuid() != 0 {
		return // it takes a file of somebody else
	}
	if err := os.Chown(path, 4243, 4243); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	p.environment.UID = 4242
	_, err = p.resolve("db")
	wantHint(t, err, "as root, for the service runs as tunneld (UID 4242): chown 4242 "+path)
	if !strings.Contains(err.Error(), "it belongs to user 4243") {
		t.Errorf("the owner is not named: %v", err)
	}
}

// A file may have been named by whoever may write to the directory of an Include: what is to be pasted, by root at times, is one word of
// the shell.
func TestHintsQuoteTheNamesOfFiles(t *testing.T) {
	p := newPerson(t)
	path := p.write(".ssh/shared/x; touch y", "")
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	p.user("Include shared/*\n")
	_, err := p.resolve("db")
	wantHint(t, err, "chmod go-w '"+path+"'")
}

func wantHint(t *testing.T, err error, want string) {
	t.Helper()
	e := new(Error)
	if !errors.As(err, &e) || !strings.Contains(e.Hint, want) {
		t.Errorf("%#v, want the hint %s", err, want)
	}
}
