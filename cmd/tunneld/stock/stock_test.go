package stock

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
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
	var c SSH
	for i, step := range []struct{ version, want string }{{"9.2p1", "old"}, {"9.6p1", "new"}, {"10.0p2", "new"}, {"8.9p1", "old"}} {
		install(step.version, time.Unix(int64(i), 0))
		for range 3 {
			if path, err := c.Path(t.Context(), master); path != step.want || err != nil {
				t.Errorf("OpenSSH %s looks at %s, want %s, %v", step.version, path, step.want, err)
			}
		}
		if text, _ := os.ReadFile(asked); strings.Count(string(text), "x") != i+1 {
			t.Errorf("asked %d times for %d versions", strings.Count(string(text), "x"), i+1)
		}
	}
	os.Remove(filepath.Join(dir, "ssh"))
	t.Setenv("PATH", dir)
	if path, err := c.Path(t.Context(), master); path != "new" || err != nil {
		t.Errorf("without an ssh: %s, %v", path, err)
	}
}

// A program that hangs, or leaves another behind that has its output, is not waited for; what it has not said is asked again.
func TestSSHThatHangs(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	install := func(script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	master := config.Master{Path: "old", JumpPath: "new"}
	var c SSH
	began := time.Now()
	install("sleep 600")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if path, err := c.Path(ctx, master); err == nil {
		t.Errorf("one that hangs looks at %s", path)
	}
	left := filepath.Join(dir, "left")
	install(fmt.Sprintf("sleep 600 & echo $! >%s\necho OpenSSH_8.4p1 >&2\n", left))
	if path, err := c.Path(t.Context(), master); path != "old" || err != nil {
		t.Errorf("%s, %v", path, err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	text, err := os.ReadFile(left)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	fmt.Sscan(string(text), &pid)
	if child, err := os.FindProcess(pid); pid > 1 && err == nil {
		child.Kill()
	}
}
