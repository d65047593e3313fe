package service

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// The version says what the program was built from, in each way in which people build it; that of the package says so itself.
func TestVersionOfEachWayOfBuilding(t *testing.T) {
	t.Parallel()
	lab.Need(t, "git")
	commit, err := exec.Command("git", "-C", "../..", "rev-parse", "HEAD").Output()
	if err != nil {
		t.Skipf("needs a checkout by git: %v", err)
	}
	hash := strings.TrimSpace(string(commit))[:12]
	clone, files := filepath.Join(t.TempDir(), "clone"), t.TempDir()
	top, err := exec.Command("git", "-C", "../..", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		t.Fatal(err)
	}
	shell(t, ".", "git", "clone", "-q", "--shared", strings.TrimSpace(string(top)), clone)
	shell(t, ".", "sh", "-c", `git -C "$0" archive HEAD | tar x -C "$1"`, clone, files)
	const from = `, commit [0-9a-f]{12} of \d\d\d\d-\d\d-\d\d`
	bare, err := lab.Checkout(filepath.Join(t.TempDir(), "bare")) // neither git nor git archive
	if err != nil {
		t.Fatal(err)
	}
	tagged := `v\d+\.\d+\.\d+(-[-0-9a-z.]*` + hash + `)?`
	for _, c := range []struct{ name, dir, build, want, from string }{
		{"make in a clone", clone, "GOFLAGS=-buildvcs=true make build", tagged, from},
		{"make in a clone, by somebody whose Go asks no git", clone, "GOFLAGS=-buildvcs=false make build", tagged, from},
		{"make in a tarball of sources", files, "GOFLAGS=-buildvcs=true make build", `(devel-` + hash + `|v\d+\.\d+\.\d+\S*)`, from},
		{"make without version control", bare, "make build", `devel`, ""},
	} {
		shell(t, c.dir, "sh", "-c", c.build)
		if said := shell(t, c.dir, "bin/tunneld", "version"); !regexp.MustCompile(`^tunneld ` + c.want + ` go1\.\S+ [^ ,]+/[^ ,]+` + c.from + `\n$`).MatchString(said) {
			t.Errorf("%s: it calls itself %q, want %s", c.name, said, c.want)
		}
	}
}
