package config

import (
	"os"
	"strings"
	"testing"
)

// A file that is there and cannot be read is told, with the reason; ssh goes on without it in silence, and so do we.
func TestUnreadableFilesAreTold(t *testing.T) {
	for name, test := range map[string]struct {
		make func(t *testing.T, path string) error
		want string
		hint string
	}{
		"directory": {func(t *testing.T, path string) error { return os.MkdirAll(path, 0o700) }, "is a directory", "name another one with -F"},
		"I/O error": {func(t *testing.T, path string) error { return os.Symlink("/proc/self/mem", path) }, "input/output error", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t)
			p.system("Host db\n  Port 2222\n")
			os.Remove(p.user(""))
			if err := test.make(t, p.environment.UserFile); err != nil {
				t.Fatal(err)
			}
			o := p.mustResolve("db")
			equal(t, "port of the system's file", o.Port, 2222)
			wantUnread(t, p, o, test.want, test.hint)
			if names, err := Aliases(p.environment, ""); len(names) != 1 || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("aliases %v, %v", names, err)
			}
		})
	}
	p := newPerson(t)
	equal(t, "unread, where there is none", len(p.mustResolve("db").Unread), 0)
}

func wantUnread(t *testing.T, p *person, o *Options, want, hint string) {
	t.Helper()
	if len(o.Unread) != 1 || len(o.Warnings) != 1 {
		t.Fatalf("%v, %v", o.Unread, o.Warnings)
	}
	text := o.Unread[0].Error()
	if !strings.HasPrefix(text, p.environment.UserFile+": cannot be read: ") || !strings.Contains(text, want) || !strings.Contains(o.Unread[0].Hint, hint) {
		t.Errorf("%s, hint %s", text, o.Unread[0].Hint)
	}
	var explained strings.Builder
	if err := o.Explain(&explained); err != nil || !strings.Contains(explained.String(), "\n"+text+"\n") {
		t.Errorf("explained: %v\n%s", err, &explained)
	}
}
