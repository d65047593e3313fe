package integration

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The .deb is made from a clean checkout, installed into an empty root, used, upgraded and removed without a trace.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	needRoot(t, "dpkg installs files")
	need(t, "make", "dpkg", "dpkg-deb", "gzip")
	source := cleanCheckout(t)
	if source == ".." {
		t.Skip("needs a checkout by git: the package is made in a copy of it")
	}
	shell(t, source, "make", "deb", "VERSION=v1.2.3")
	packages, _ := filepath.Glob(source + "/dist/tunneld_1.2.3_*.deb")
	if len(packages) != 1 {
		t.Fatalf("packages: %v", packages)
	}

	root := emptyRoot(t)
	dpkg := func(words ...string) {
		t.Helper()
		shell(t, source, append([]string{"dpkg", "--root=" + root, "--force-script-chrootless", "--path-include=*"}, words...)...)
	}
	dpkg("--install", packages[0])
	dpkg("--install", packages[0]) // as an upgrade does
	dpkg("--verify", "tunneld")
	for _, file := range []string{
		"bin/tunneld", "share/man/man1/tunneld.1.gz", "lib/systemd/system/tunneld@.service", "lib/systemd/user/tunneld@.service",
		"share/bash-completion/completions/tunneld", "share/fish/vendor_completions.d/tunneld.fish", "share/zsh/vendor-completions/_tunneld",
		"share/doc/tunneld/copyright",
	} {
		if info, err := os.Stat(filepath.Join(root, "usr", file)); err != nil || info.Size() == 0 || info.Mode().Perm()&0o022 != 0 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	if out := shell(t, source, root+"/usr/bin/tunneld", "version"); !strings.HasPrefix(out, "tunneld v1.2.3 ") {
		t.Errorf("version: %s", out)
	}
	if out := shell(t, source, "gzip", "-dc", root+"/usr/share/man/man1/tunneld.1.gz"); !strings.Contains(out, `.TH "TUNNELD" "1"`) {
		t.Errorf("the manual page begins with %.60q", out)
	}
	shell(t, source, "bash", "-n", root+"/usr/share/bash-completion/completions/tunneld")

	dpkg("--remove", "tunneld")
	if left := packedFiles(t, root); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	dpkg("--purge", "tunneld")
}

// make install puts the same under another prefix, and the unit names the program there.
func TestMakeInstall(t *testing.T) {
	t.Parallel()
	need(t, "make", "gzip")
	source := cleanCheckout(t)
	if source == ".." {
		t.Skip("needs a checkout by git: it is built in a copy of it")
	}
	root := t.TempDir()
	shell(t, source, "make", "install", "DESTDIR="+root, "PREFIX=/opt/tunneld")
	unit, err := os.ReadFile(root + "/opt/tunneld/lib/systemd/system/tunneld@.service")
	if err != nil || !strings.Contains(string(unit), "ExecStart=/opt/tunneld/bin/tunneld up %i") {
		t.Errorf("the unit: %v\n%s", err, unit)
	}
	if _, err := os.Stat(root + "/opt/tunneld/share/man/man1/tunneld.1.gz"); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 1 {
		t.Errorf("installed outside of the prefix: %v", entries)
	}
}

// shell runs a command in dir and gives its output.
func shell(t testing.TB, dir string, words ...string) string {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return string(out)
}

// emptyRoot gives a directory in which dpkg has installed nothing yet.
func emptyRoot(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"info", "updates", "triggers"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(root, "var/lib/dpkg/status"), "")
	return root
}

// packedFiles gives the files below root that are not dpkg's own.
func packedFiles(t testing.TB, root string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(filepath.Join(root, "usr"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			list = append(list, path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return list
}
