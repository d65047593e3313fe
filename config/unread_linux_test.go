package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config/account"
)

// asNobody runs f as a user who may read nobody else's files, also where root runs the test.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread() // the user for the file system is the thread's
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(65534); err != nil {
		t.Skip(err)
	}
	defer unix.Setfsuid(0) // always allowed
	f()
}

// Whose file it is, and what to type, is said; for a directory above it as well.
func TestForbiddenFileIsToldWithItsOwner(t *testing.T) {
	us := account.Account{}.OwnerName(os.Getuid())
	for name, test := range map[string]struct {
		forbid func(p *person) string
		want   string
	}{
		"file":      {func(p *person) string { return p.environment.UserFile }, "; it belongs to " + us + ", mode ----------"},
		"directory": {func(p *person) string { return filepath.Dir(p.environment.UserFile) }, ".ssh belongs to " + us + ", mode d---------"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t)
			p.user("Host db\n  Port 2222\n")
			for dir := filepath.Dir(p.environment.UserFile); strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
				if err := os.Chmod(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			path := test.forbid(p)
			if err := os.Chmod(path, 0); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(path, 0o700) // for the removal
			asNobody(t, func() {
				wantUnread(t, p, p.mustResolve("db"), test.want, "chmod u+r")
			})
			asNobody(t, func() {
				p.environment.UID = 4242
				o := p.mustResolve("db")
				if hint := o.Unread[0].Hint; !strings.HasPrefix(hint, "as root: chown 4242 "+path) {
					t.Errorf("hint %s", hint)
				}
				if _, err := p.resolve("db", Flag{Letter: 'F', Value: p.environment.UserFile}); err == nil || !strings.Contains(err.Error(), "permission denied; ") {
					t.Errorf("-F: %v", err)
				}
			})
		})
	}
}
