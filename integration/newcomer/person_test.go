package newcomer

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// number is the user's. No password file knows it, so that $HOME is the home.
const number = 64330

// place is a directory to which everybody may go, with the program and the homes of new users. What still runs there ends with
// the test.
type place struct {
	dir string
	bin string // for PATH: the program, which runs as the new user whoever starts it
}

func newPlace(t *testing.T) *place {
	t.Helper()
	lab.NeedRoot(t, "to be a user that is new here")
	lab.Need(t, "setpriv")
	binary, err := lab.PlainBinary() // what is said is of interest here, and soon
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "tunneld-new-")
	if err != nil {
		t.Fatal(err)
	}
	p := &place{dir: dir, bin: filepath.Join(dir, "bin")}
	t.Cleanup(func() { p.end(); os.RemoveAll(dir) })
	lab.Check(t, os.Chmod(dir, 0o755))
	for _, sub := range []string{"bin", "lib"} {
		lab.Check(t, os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	copyProgram(t, binary, p.program())
	wrapper := fmt.Sprintf("#!/bin/sh\nexec setpriv --reuid %d --regid %[1]d --clear-groups --inh-caps=-all %s \"$@\"\n", number, p.program())
	lab.Check(t, os.WriteFile(filepath.Join(p.bin, "tunneld"), []byte(wrapper), 0o755))
	return p
}

// program is the path of tunneld itself.
func (p *place) program() string { return filepath.Join(p.dir, "lib", "tunneld") }

// end kills what runs here: a process in the background has nobody else who does.
func (p *place) end() {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); strings.HasPrefix(path, p.dir+"/") {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	lab.Check(t, err)
	lab.Check(t, out.Close())
}

// own gives a directory and all in it to the new user.
func own(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, number, number)
	})
}
