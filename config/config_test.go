package config

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// person is somebody with a home directory of their own.
type person struct {
	t           *testing.T
	environment Environment
	variables   map[string]string
}

func newPerson(t *testing.T) *person {
	t.Helper()
	home := t.TempDir()
	p := &person{t: t, variables: map[string]string{"HOME": home, "SHELL": "/bin/sh", "SET": "value"}}
	p.environment = Environment{
		Home:       home,
		LocalUser:  "me",
		UID:        os.Getuid(),
		HostName:   "laptop.example.org",
		UserFile:   filepath.Join(home, ".ssh", "config"),
		SystemFile: filepath.Join(home, "etc", "ssh_config"),
		Getenv: func(name string) (string, bool) {
			value, ok := p.variables[name]
			return value, ok
		},
	}
	return p
}

// write puts a file below the home directory and returns its path.
func (p *person) write(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.environment.Home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// user writes ~/.ssh/config.
func (p *person) user(text string) string { return p.write(".ssh/config", text) }

// system writes the system's file.
func (p *person) system(text string) string { return p.write("etc/ssh_config", text) }

func (p *person) resolve(destination string, flags ...Flag) (*Options, error) {
	return Resolve(context.Background(), Request{Destination: destination, Flags: flags, Environment: p.environment})
}

func (p *person) mustResolve(destination string, flags ...Flag) *Options {
	p.t.Helper()
	o, err := p.resolve(destination, flags...)
	if err != nil {
		p.t.Fatal(err)
	}
	return o
}

// printed returns the lines of Print.
func printed(t *testing.T, o *Options) []string {
	t.Helper()
	var out bytes.Buffer
	if err := o.Print(&out); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}
