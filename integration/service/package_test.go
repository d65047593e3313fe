package service

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The .deb is made from a clean checkout, installed into an empty root, used, upgraded and removed without a trace.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	lab.NeedRoot(t, "dpkg installs files")
	lab.Need(t, "make", "dpkg", "dpkg-deb", "gzip")
	built := debianPackage(t)
	source := filepath.Dir(built)
	root := emptyRoot(t)
	dpkg := func(words ...string) {
		t.Helper()
		shell(t, source, append([]string{"dpkg", "--root=" + root, "--force-script-chrootless", "--path-include=*"}, words...)...)
	}
	dpkg("--install", built)
	dpkg("--install", built) // as an upgrade does
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

	front, _ := filepath.Glob(source + "/tunneld-autossh_1.2.3_all.deb")
	if len(front) != 1 {
		t.Fatalf("packages of the name autossh: %q", front)
	}
	fields := shell(t, source, "dpkg-deb", "--field", front[0], "Provides", "Conflicts", "Replaces")
	for _, line := range []string{"Provides: autossh (= ", "Conflicts: autossh\n", "Replaces: autossh"} {
		if !strings.Contains(fields, line) {
			t.Errorf("no %q in\n%s", line, fields)
		}
	}
	dpkg("--install", front[0])
	if out := shell(t, source, root+"/usr/bin/autossh", "-V"); !strings.HasPrefix(out, "autossh 1.4g (tunneld v1.2.3)") {
		t.Errorf("version of autossh: %s", out)
	}
	for name, title := range map[string]string{"autossh": "AUTOSSH", "autossh-argv0": `AUTOSSH\-ARGV0`, "rscreen": "RSCREEN", "rtmux": "RSCREEN", "ruscreen": "RSCREEN"} {
		if out := shell(t, source, "gzip", "-dc", root+"/usr/share/man/man1/"+name+".1.gz"); !strings.HasPrefix(out, ".TH "+title+" 1 ") {
			t.Errorf("the manual page of %s begins with %.60q", name, out)
		}
		if info, err := os.Stat(filepath.Join(root, "usr/bin", name)); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if out := shell(t, source, root+"/usr/lib/autossh/autossh", "-V"); !strings.HasPrefix(out, "autossh 1.4g (tunneld v1.2.3)") {
		t.Errorf("version of the autossh behind Debian's wrapper: %s", out)
	}
	dpkg("--purge", "tunneld-autossh")
	if left, _ := filepath.Glob(root + "/usr/bin/*r*screen"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	noLint(t, source, front[0])
	noLint(t, source, built)

	stays, goes := usedUnits(t, root)
	dpkg("--remove", "tunneld")
	if left := packedFiles(t, root); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if missing := absent(root, append(stays, goes...)); len(missing) > 0 {
		t.Errorf("gone before the purge: %q", missing)
	}
	dpkg("--purge", "tunneld")
	if missing := absent(root, stays); len(missing) > 0 {
		t.Errorf("the purge took what is the administrator's: %q", missing)
	}
	if missing := absent(root, goes); len(missing) != len(goes) {
		t.Errorf("the purge left some of %q, only these are gone: %q", goes, missing)
	}
}

// noLint checks a package with Debian's lintian, where that is installed.
func noLint(t *testing.T, dir, path string) {
	t.Helper()
	if _, err := lab.FindProgram("lintian"); err == nil {
		if out := shell(t, dir, "lintian", "--fail-on", "none", "--tag-display-limit", "0", "--allow-root", path); out != "" {
			t.Errorf("lintian says\n%s", out)
		}
	}
}

// builtPackage makes the .deb of version 1.2.3 from a clean checkout, once; empty where there is no checkout by git.
var builtPackage = sync.OnceValues(func() (string, error) {
	source, err := lab.Checkout(filepath.Join(lab.Shared, "package"))
	if source == "" || err != nil {
		return "", err
	}
	build := exec.Command("make", "deb", "VERSION=v1.2.3")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make deb: %w\n%s", err, out)
	}
	packages, _ := filepath.Glob(source + "/dist/tunneld_1.2.3_*.deb")
	if len(packages) != 1 {
		return "", fmt.Errorf("packages: %v", packages)
	}
	return packages[0], nil
})

// debianPackage returns the path of the .deb.
func debianPackage(t testing.TB) string {
	t.Helper()
	path, err := builtPackage()
	if err != nil {
		t.Fatal(err)
	}
	if path == "" {
		t.Skip("needs a checkout by git: the package is made in a copy of it")
	}
	return path
}

// usedUnits writes what is there once tunnels have run: what an administrator has written, and what systemd made.
func usedUnits(t testing.TB, root string) (stays, goes []string) {
	t.Helper()
	file := func(path string) {
		mkdir(t, filepath.Dir(filepath.Join(root, path)))
		lab.WriteFile(t, filepath.Join(root, path), "")
	}
	link := func(to, path string) {
		mkdir(t, filepath.Dir(filepath.Join(root, path)))
		if err := os.Symlink(to, filepath.Join(root, path)); err != nil {
			t.Fatal(err)
		}
	}
	stays = []string{
		"var/lib/private/tunneld/.ssh/id_ed25519", "var/lib/tunneld", "var/lib/tunneld@bobs/id_rsa",
		"etc/systemd/system/tunneld@bobs.service.d/run-as.conf", "etc/systemd/system/multi-user.target.wants/cron.service",
		"etc/systemd/system/multi-user.target.wants/tunneld@own.service",
	}
	goes = []string{
		"etc/systemd/system/multi-user.target.wants/tunneld@db.service", "etc/systemd/system/sockets.target.wants/tunneld@db.socket",
		"etc/systemd/system/sockets.target.wants", "etc/systemd/user/default.target.wants/tunneld@db.service",
		"run/tunneld", "run/private/tunneld", "run/tunneld@bobs", "var/lib/tunneld@empty",
	}
	for _, path := range append(stays[:1:1], stays[2], stays[3], "run/private/tunneld/db.sock", "run/tunneld@bobs/bobs.sock") {
		file(path)
	}
	mkdir(t, filepath.Join(root, goes[7]))
	link("private/tunneld", stays[1])
	link("private/tunneld", goes[4])
	link("/lib/systemd/system/cron.service", stays[4])
	link("/etc/systemd/system/tunneld@.service", stays[5]) // by `tunneld unit`
	link("/lib/systemd/system/tunneld@.service", goes[0])
	link("/usr/lib/systemd/system/tunneld@.socket", goes[1])
	link("/usr/lib/systemd/user/tunneld@.service", goes[3])
	return stays, goes
}

// absent returns those paths below root where nothing is.
func absent(root string, paths []string) (missing []string) {
	for _, path := range paths {
		if _, err := os.Lstat(filepath.Join(root, path)); err != nil {
			missing = append(missing, path)
		}
	}
	return missing
}

// make install puts the same under another prefix, and the unit names the program there.
func TestMakeInstall(t *testing.T) {
	t.Parallel()
	lab.Need(t, "make", "gzip")
	source := lab.CleanCheckout(t)
	if source == "../.." {
		t.Skip("needs a checkout by git: it is built in a copy of it")
	}
	root := t.TempDir()
	shell(t, source, "make", "install", "DESTDIR="+root, "PREFIX=/opt/tunneld")
	unit, err := os.ReadFile(root + "/opt/tunneld/lib/systemd/system/tunneld@.service")
	if err != nil || !strings.Contains(string(unit), "ExecStart=/opt/tunneld/bin/tunneld up %i") {
		t.Errorf("the unit: %v\n%s", err, unit)
	}
	for _, file := range []string{"share/man/man1/tunneld.1.gz", "bin/autossh", "bin/autossh-argv0", "bin/rscreen", "bin/rtmux", "bin/ruscreen", "share/man/man1/rtmux.1.gz", "lib/autossh/autossh"} {
		if _, err := os.Stat(root + "/opt/tunneld/" + file); err != nil {
			t.Error(err)
		}
	}
	if entries, _ := os.ReadDir(root); len(entries) != 1 {
		t.Errorf("installed outside of the prefix: %v", entries)
	}
}

// make install put its link in the place of an autossh that somebody had built, whose manual page went as well; and there was no
// way back.
func TestMakeInstallLeavesAForeignAutossh(t *testing.T) {
	t.Parallel()
	lab.Need(t, "make", "gzip")
	source := lab.CleanCheckout(t)
	if source == "../.." {
		t.Skip("needs a checkout by git: it is built in a copy of it")
	}
	root := t.TempDir()
	at, page := root+"/opt/bin/autossh", root+"/opt/share/man/man1/autossh.1.gz"
	words := func(target string) []string { return []string{"make", target, "DESTDIR=" + root, "PREFIX=/opt"} }
	mkdir(t, filepath.Dir(at))
	mkdir(t, filepath.Dir(page))
	lab.WriteFile(t, at, "the real one")
	lab.WriteFile(t, page, "its page")
	mkdir(t, root+"/opt/share/doc/tunneld")
	lab.WriteFile(t, root+"/opt/share/doc/tunneld/notes", "an administrator's")
	foreign := listing(t, root)

	out := shell(t, source, words("install")...)
	if !strings.Contains(out, at+" is not tunneld's and stays") || !strings.Contains(out, "make install-autossh") {
		t.Errorf("it says nothing of the autossh that stays: %s", out)
	}
	for path, want := range map[string]string{at: "the real one", page: "its page"} {
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	refused := exec.Command("make", words("install-autossh")[1:]...)
	refused.Dir = source
	if out, err := refused.CombinedOutput(); err == nil {
		t.Errorf("install-autossh ends well: %s", out)
	}
	shell(t, source, words("uninstall")...)
	if left := listing(t, root); strings.Join(left, "\n") != strings.Join(foreign, "\n") {
		t.Errorf("uninstall leaves\n%s\nwant\n%s", strings.Join(left, "\n"), strings.Join(foreign, "\n"))
	}

	for _, path := range []string{at, page, root + "/opt/share/doc/tunneld/notes"} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time over its own
		shell(t, source, words("install")...)
	}
	if to, err := os.Readlink(at); err != nil || to != "tunneld" {
		t.Errorf("autossh is a link to %q, %v", to, err)
	}
	shell(t, source, words("uninstall")...)
	if left := listing(t, root); len(left) > 0 {
		t.Errorf("uninstall leaves %q", left)
	}
	shell(t, source, words("uninstall")...)
}

// listing returns the files below root, without directories but those that have our name.
func listing(t testing.TB, root string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && (!entry.IsDir() || strings.Contains(entry.Name(), "tunneld")) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// packageGoes installs the package on a systemd that runs, and takes it away again.
func (s *service) packageGoes(t *testing.T) {
	lab.Need(t, "make", "dpkg-deb", "gzip")
	copyFile(t, debianPackage(t), filepath.Join(s.Dir, "upper", "tunneld.deb"), 0o644)
	s.Do("sh", "-c", "systemctl disable --now tunneld@hello tunneld@web.socket; systemctl stop 'tunneld@*'; rm /etc/systemd/system/tunneld@.service /etc/systemd/system/tunneld@.socket")
	s.Do("dpkg", "--install", "/tunneld.deb")
	s.Do("systemctl", "enable", "--now", "tunneld@hello", "tunneld@web.socket", "tunneld@bobs")
	lab.Check(t, s.Echoes(helloAddress))
	lab.Check(t, s.Echoes(bobAddress))
	lab.Check(t, s.Echoes(socketAddress))

	out := s.Do("dpkg", "--purge", "tunneld")
	if !strings.Contains(out, "/var/lib/private/tunneld has keys") {
		t.Errorf("the purge says nothing of the keys that stay: %s", out)
	}
	if out := s.Do("sh", "-c", "find /etc/systemd -name 'tunneld@*' -type l; ls -d /run/tunneld* /run/private/tunneld* /var/lib/tunneld@* 2>&1 || :"); strings.Contains(out, "\n/") || strings.HasPrefix(out, "/") {
		t.Errorf("left behind: %s", out)
	}
	if out := s.Do("systemctl", "list-units", "--all", "--plain", "--no-legend", "tunneld@*"); out != "" {
		t.Errorf("systemd still knows %s", out)
	}
	s.Do("test", "-s", "/var/lib/tunneld/.ssh/id_ed25519")
}

// shell runs a command in dir and returns its output.
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

// emptyRoot returns a directory in which dpkg has installed nothing yet.
func emptyRoot(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"info", "updates", "triggers"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	lab.WriteFile(t, filepath.Join(root, "var/lib/dpkg/status"), "")
	return root
}

// packedFiles returns the files below root that are not dpkg's own.
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
