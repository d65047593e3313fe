package release

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// What rpm and apk run around a package, with the words that each of them says: an installation starts nothing, an upgrade restarts what
// runs once the new program is there, and who removes the package for good finds nothing of ours enabled.
func TestPackageScripts(t *testing.T) {
	t.Parallel()
	lab.NeedRoot(t, "the scripts see a file system of their own")
	lab.Need(t, "unshare", "mount", "sh")
	const reload, restart = "daemon-reload", "try-restart tunneld@*.service"
	const stop, reset = "stop tunneld@*.service tunneld@*.socket", "reset-failed tunneld@*.service tunneld@*.socket"
	for name, run := range map[string]struct {
		script  string
		words   []string
		calls   []string
		disable bool
	}{
		"rpm installs":                   {"rpm/post", []string{"1"}, []string{reload}, false},
		"rpm upgrades, the new one":      {"rpm/post", []string{"2"}, []string{reload}, false},
		"rpm upgrades, before":           {"rpm/preun", []string{"1"}, nil, false},
		"rpm upgrades, the old one":      {"rpm/postun", []string{"1"}, []string{reload, restart}, false},
		"rpm removes, before":            {"rpm/preun", []string{"0"}, []string{stop}, true},
		"rpm removes, after":             {"rpm/postun", []string{"0"}, []string{reload, reset}, false},
		"apk installs":                   {"apk/post-install", []string{"1.2.3"}, []string{reload}, false},
		"apk upgrades":                   {"apk/post-upgrade", []string{"1.2.4", "1.2.3"}, []string{reload, restart}, false},
		"apk fixes what is there":        {"apk/post-upgrade", []string{"1.2.3", "1.2.3"}, nil, false},
		"apk removes, before":            {"apk/pre-deinstall", []string{"1.2.3"}, []string{stop}, true},
		"apk removes, after":             {"apk/post-deinstall", []string{"1.2.3"}, []string{reload, reset}, false},
		"dpkg installs":                  {"debian/postinst", []string{"configure", ""}, []string{reload}, false},
		"dpkg upgrades, the new one":     {"debian/postinst", []string{"configure", "1.2.3"}, []string{reload, restart}, false},
		"dpkg upgrades, before":          {"debian/prerm", []string{"upgrade", "1.2.4"}, nil, false},
		"dpkg removes, before":           {"debian/prerm", []string{"remove"}, []string{stop}, false},
		"dpkg removes, after":            {"debian/postrm", []string{"remove"}, []string{reload, reset}, false},
		"dpkg purges, and units go then": {"debian/postrm", []string{"purge"}, []string{reload}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := unitsInUse(t)
			if calls := maintain(t, root, true, run.script, run.words...); !slices.Equal(calls, run.calls) {
				t.Errorf("systemctl is asked for %q, want %q", calls, run.calls)
			}
			left := enabled(t, root)
			if run.disable && !slices.Equal(left, []string{"tunneld@own.service"}) {
				t.Errorf("enabled are %q, want the administrator's own alone", left)
			}
			if !run.disable && len(left) != 4 {
				t.Errorf("enabled are %q, want them as they were", left)
			}
			if calls := maintain(t, root, false, run.script, run.words...); len(calls) > 0 {
				t.Errorf("without a systemd that runs, systemctl is asked for %q", calls)
			}
		})
	}
}

// unitsInUse returns a directory with the etc of a machine on which instances are enabled: two of the package's unit, one of its unit for
// users, and one of a unit that is the administrator's.
func unitsInUse(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	for link, to := range map[string]string{
		"systemd/system/multi-user.target.wants/tunneld@db.service":  "/usr/lib/systemd/system/tunneld@.service",
		"systemd/system/sockets.target.wants/tunneld@db.socket":      "/lib/systemd/system/tunneld@.socket",
		"systemd/user/default.target.wants/tunneld@db.service":       "/usr/lib/systemd/user/tunneld@.service",
		"systemd/system/multi-user.target.wants/tunneld@own.service": "/etc/systemd/system/tunneld@.service",
	} {
		path := filepath.Join(root, "etc", link)
		lab.Check(t, errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(to, path)))
	}
	return root
}

// maintain runs a script as root of a machine that has root's etc, and an empty run, var/lib and, where systemd runs, its directory. It
// returns what systemctl was asked for.
func maintain(t *testing.T, root string, systemd bool, script string, words ...string) []string {
	t.Helper()
	record := filepath.Join(t.TempDir(), "calls")
	bin := t.TempDir()
	lab.Check(t, os.WriteFile(filepath.Join(bin, "systemctl"), []byte("#!/bin/sh\nset -f\necho $* >>"+record+"\n"), 0o755))
	path, err := filepath.Abs(filepath.Join("../../deploy", script))
	lab.Check(t, err)
	prepare := `mount --make-rprivate / && mount --bind "$1/etc" /etc && mount -t tmpfs none /run && mount -t tmpfs none /var/lib && cd / || exit 99
PATH=$2:$PATH; [ "$3" = false ] || mkdir -p /run/systemd/system; script=$4; shift 4; exec sh "$script" "$@"`
	cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-c", prepare, "sh", root, bin, map[bool]string{true: "true", false: "false"}[systemd], path}, words...)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "DPKG_ROOT=") })
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", script, words, err, out)
	}
	text, err := os.ReadFile(record)
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// enabled returns the names of the links to units in root's etc.
func enabled(t *testing.T, root string) (names []string) {
	t.Helper()
	lab.Check(t, filepath.WalkDir(filepath.Join(root, "etc"), func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type() == fs.ModeSymlink {
			names = append(names, entry.Name())
		}
		return err
	}))
	return names
}

// Each script is one that every shell takes, and is packed as something that can be run.
func TestPackageScriptsAreScripts(t *testing.T) {
	paths, _ := filepath.Glob("../../deploy/*/*")
	checked := 0
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(data), "#!/bin/sh\n") {
			continue
		}
		checked++
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o111 == 0 && filepath.Base(filepath.Dir(path)) != "autossh" {
			t.Errorf("%s cannot be run: %v, %v", path, info, err)
		}
		for _, shell := range [][]string{{"sh", "-n"}, {"dash", "-n"}, {"busybox", "sh", "-n"}, {"bash", "--posix", "-n"}, {"shellcheck", "-s", "sh", "-S", "warning", "-e", "SC1090"}} {
			if _, err := exec.LookPath(shell[0]); err != nil {
				continue // one of them is enough to see what is broken
			}
			if out, err := exec.Command(shell[0], append(shell[1:], path)...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", strings.Join(shell, " "), err, out)
			}
		}
	}
	if checked < 10 {
		t.Errorf("%d scripts were looked at", checked)
	}
}
