package config

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestInclude(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"relative to ~/.ssh", "Include one", "one"},
		{"home", "Include ~/.ssh/one", "one"},
		{"glob, sorted", "Include conf.d/*.conf", "ten"},
		{"several", "Include none-such one", "one"},
		{"quoted", "Include \"with blank\"", "blank"},
		{"in a Host that holds", "Host a\n Include one", "one"},
		{"in a Host that does not", "Host b\n Include one", ""},
		{"Host inside ends with the file", "Include other\n BindAddress after", "after"},
		{"nested", "Include nested", "one"},
		{"variable", "Include ${SET}", "variable"},
		{"token", "Include host-%n", "token"},
		{"comment", "Include one # and more", "one"},
		{"trailing blanks", "Include one \t", "one"},
		{"directory", "Include conf.d", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPerson(t)
			for name, text := range map[string]string{
				"one": "BindAddress one", "with blank": "BindAddress blank", "other": "Host b\nBindAddress other", "nested": "Include one",
				"conf.d/20.conf": "BindAddress twenty", "conf.d/10.conf": "BindAddress ten", "conf.d/.hidden.conf": "BindAddress hidden",
				"value": "BindAddress variable", "host-a": "BindAddress token",
			} {
				p.write(".ssh/"+name, text+"\n")
			}
			p.user(c.text + "\n")
			equal(t, "address", p.mustResolve("a").BindAddress, c.want)
		})
	}
}

func TestIncludeOfTheSystem(t *testing.T) {
	p := newPerson(t)
	p.write("etc/conf.d/a.conf", "Port 7\n")
	p.system("Include conf.d/*.conf\n")
	equal(t, "port", p.mustResolve("a").Port, 7)
	p.system("Include ~/x\n")
	if _, err := p.resolve("a"); err == nil {
		t.Error("the system's file may name a home directory")
	}
}

func TestIncludeRefuses(t *testing.T) {
	p := newPerson(t)
	open := p.write(".ssh/open", "")
	if err := os.Chmod(open, 0o666); err != nil {
		t.Fatal(err)
	}
	p.write(".ssh/bad", "Bogus 1\n")
	for text, want := range map[string]string{
		"Include config":       "deep",
		"Include open":         "permissions",
		"Host b\n Include bad": filepath.Join(p.environment.Home, ".ssh", "bad") + ":1: \"Bogus\"",
		"Include \"\"":         "empty",
	} {
		p.user(text + "\n")
		if _, err := p.resolve("a"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// A file that includes itself several times would be read 3^16 times before the depth ends it.
func TestIncludeOfItselfEndsAtOnce(t *testing.T) {
	p := newPerson(t)
	p.user("Include config config\nBogus 1\nInclude config\n")
	start := worked(t)
	_, err := p.resolve("a")
	if took := worked(t) - start; err == nil || strings.Count(err.Error(), "\n") > 1 || took > 5*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
}

func TestAFileOfMistakesEnds(t *testing.T) {
	p := newPerson(t)
	p.user(lines(200000, "nonsense") + lines(100000, "x y"))
	start := worked(t)
	_, err := p.resolve("a")
	if took := worked(t) - start; err == nil || strings.Count(err.Error(), "\n") >= maxProblems || took > 10*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	p.user(lines(100000, "Port 22"))
	start = worked(t)
	p.mustResolve("a")
	if took := worked(t) - start; took > 10*time.Second {
		t.Errorf("a long file took %v", took)
	}
}

func lines(count int, line string) string { return strings.Repeat(line+"\n", count) }

func TestAliasesOfAFileThatIncludesItself(t *testing.T) {
	p := newPerson(t)
	p.user("Include config config config\nHost a\n")
	if names, err := Aliases(p.environment, ""); err != nil || len(names) != 1 {
		t.Errorf("%q, %v", names, err)
	}
}

func TestAliases(t *testing.T) {
	p := newPerson(t)
	p.write(".ssh/more", "Host three \"two\"\n Match exec false\nHost\n")
	p.user("# Host zero\nhost one two *.x !no ?\n Include more\nHost=\"four\"\nBogus \"\n")
	p.system("Host five\n")
	names, err := Aliases(p.environment, "")
	if want := []string{"one", "two", "three", "four", "five"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("got %q, %v", names, err)
	}
	if names, err := Aliases(p.environment, "none"); err != nil || names != nil {
		t.Errorf("none: %q, %v", names, err)
	}
}

func TestExplain(t *testing.T) {
	p := newPerson(t)
	file := p.user(`IgnoreUnknown UseKeychain
UseKeychain yes
Host web*
  Port 1
Match host a user bob
  Port 2
Host a
  HostName 192.0.2.1
  LocalForward 8080 db:80
  Compression yes
  ProxyJump gate
Host *,!gate gate
  Port 3
  HostName other
`)
	var out bytes.Buffer
	if err := p.mustResolve("a").Explain(&out); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(out.String(), file, "FILE")
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	for _, want := range []string{
		"a leads to me@192.0.2.1:22", "through me@other:3", "read from FILE", "HostName 192.0.2.1 FILE:8", "-L 8080 to [db]:80 FILE:9",
		"FILE:3 Host web* no pattern matches a", "FILE:5 Match host a user bob user bob does not hold: the user is me",
		"FILE:2 UseKeychain IgnoreUnknown", "TunneldHold 30s default", "ServerAliveInterval 15 default",
		"FILE:10 Compression: the connection is not compressed",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}
