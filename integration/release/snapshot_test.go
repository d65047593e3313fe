//go:build snapshot

package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// What `make release-test` has built is looked at here: it takes minutes, so that these tests are built with a tag of their own.
const dist = "../../dist"

// packed is what a package has: files by path, with their modes and times, and what is run around them.
type packed struct {
	files   map[string]entry
	scripts map[string]string
	fields  string // name, version, what it needs: as text
}

type entry struct {
	mode  fs.FileMode
	link  string
	owner string
	time  int64
	sum   string
}

func TestSnapshotHasWhatIsPromised(t *testing.T) {
	var have []string
	for line := range strings.Lines(text(t, "dist/checksums.txt")) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		data, err := os.ReadFile(filepath.Join(dist, name))
		if err != nil || fmt.Sprintf("%x", sha256.Sum256(data)) != sum {
			t.Errorf("%s is not what checksums.txt says: %v", name, err)
		}
		have = append(have, name)
	}
	for _, pattern := range []string{
		"tunneld_*_linux_amd64.tar.gz", "tunneld_*_linux_arm64.tar.gz", "tunneld_*_linux_armv7.tar.gz", "tunneld_*_linux_riscv64.tar.gz",
		"tunneld_*_darwin_amd64.tar.gz", "tunneld_*_darwin_arm64.tar.gz", "tunneld_*_freebsd_amd64.tar.gz", "tunneld_*_freebsd_arm64.tar.gz",
		"tunneld_*_windows_amd64.zip", "tunneld_*_windows_arm64.zip", "tunneld-*-source.tar.gz", "tunneld_*_linux_amd64.cdx.json", "tunneld_*_linux_armv7.cdx.json", "tunneld_*_darwin_arm64.cdx.json",
		"tunneld_*_amd64.deb", "tunneld_*_arm64.deb", "tunneld_*_armhf.deb", "tunneld_*_riscv64.deb", "tunneld-autossh_*_all.deb",
		"tunneld-*.x86_64.rpm", "tunneld-*.aarch64.rpm", "tunneld-*.armv7hl.rpm", "tunneld-*.riscv64.rpm", "tunneld-autossh-*.noarch.rpm",
		"tunneld_*_x86_64.apk", "tunneld_*_aarch64.apk", "tunneld_*_armv7.apk", "tunneld_*_riscv64.apk", "tunneld-autossh_*_noarch.apk",
	} {
		if !slices.ContainsFunc(have, func(name string) bool { ok, _ := path.Match(pattern, name); return ok }) {
			t.Errorf("there is no %s among %q", pattern, have)
		}
	}
	for _, name := range have {
		if strings.HasSuffix(name, ".cdx.json") {
			var bill struct {
				BOMFormat  string
				Metadata   struct{ Component struct{ Version string } }
				Components []any
			}
			lab.Check(t, json.Unmarshal([]byte(text(t, filepath.Join("dist", name))), &bill))
			if bill.BOMFormat != "CycloneDX" || len(bill.Components) < 10 || !strings.Contains(name, strings.TrimPrefix(bill.Metadata.Component.Version, "v")) {
				t.Errorf("%s says %+v", name, bill)
			}
		}
	}
}

// The three kinds of packages have the same files, of root, with the date of the commit, and the scripts of their kind; the texts that have
// to go with the program do.
func TestSnapshotPackages(t *testing.T) {
	for _, name := range []string{"tunneld", "tunneld-autossh"} {
		arch := map[string][3]string{"tunneld": {"amd64", "x86_64", "x86_64"}, "tunneld-autossh": {"all", "noarch", "noarch"}}[name]
		deb := debContents(t, one(t, name+"_*_"+arch[0]+".deb", false))
		rpm := rpmContents(t, one(t, name+"-*."+arch[1]+".rpm", false))
		apk := apkContents(t, one(t, name+"_*_"+arch[2]+".apk", false))
		for kind, p := range map[string]packed{"rpm": rpm, "apk": apk} {
			for at, want := range deb.files {
				have, ok := p.files[at]
				switch only := strings.HasSuffix(at, "/changelog.gz") || strings.Contains(at, "/lintian"); {
				case only && ok:
					t.Errorf("the %s of %s has %s, which is Debian's", kind, name, at)
				case !only && have != want:
					t.Errorf("the %s of %s has %s as %+v, the .deb as %+v", kind, name, at, have, want)
				}
			}
			if len(p.files) > len(deb.files) {
				t.Errorf("the %s of %s has %d files, the .deb %d", kind, name, len(p.files), len(deb.files))
			}
		}
		for at, e := range deb.files {
			if e.link == "" && (e.owner != "root:root" || e.mode&0o022 != 0) {
				t.Errorf("%s is %+v", at, e)
			}
		}
		if name != "tunneld" {
			if !strings.Contains(deb.fields, "\nProvides: autossh (= 1.4g-99)\n") || !strings.Contains(deb.fields, "\nDepends: tunneld\n") {
				t.Errorf("the .deb says\n%s", deb.fields)
			}
			continue
		}
		for _, at := range []string{"/usr/bin/tunneld", "/usr/lib/systemd/system/tunneld@.service", "/usr/share/doc/tunneld/copyright", "/usr/share/doc/tunneld/docs/licences.md"} {
			if deb.files[at].sum == "" {
				t.Errorf("no %s", at)
			}
		}
		for kind, scripts := range map[string]map[string]string{
			"debian": deb.scripts, "rpm": rpm.scripts, "apk": apk.scripts,
		} {
			paths, _ := filepath.Glob("../../deploy/" + kind + "/p*")
			if len(paths) != len(scripts) {
				t.Errorf("%s has the scripts %v, want %v", kind, scripts, paths)
			}
			for _, at := range paths {
				if want := text(t, filepath.Join("deploy", kind, filepath.Base(at))); strings.TrimSpace(scripts[filepath.Base(at)]) != strings.TrimSpace(want) {
					t.Errorf("the script %s of %s is %q", filepath.Base(at), kind, scripts[filepath.Base(at)])
				}
			}
		}
	}
}

// Both .debs, of `make deb` and of a release, have the same files, and lintian has nothing to say of them.
func TestSnapshotDebs(t *testing.T) {
	for name, arch := range map[string]string{"tunneld": runtime.GOARCH, "tunneld-autossh": "all"} {
		released, made := one(t, name+"_*_"+arch+".deb", false), one(t, name+"_*_"+arch+".deb", true)
		a, b := debContents(t, released), debContents(t, made)
		for at, e := range a.files {
			o := b.files[at]
			if strings.HasSuffix(at, "/changelog.gz") || at == "/usr/bin/tunneld" { // another version
				e.sum, o.sum, e.time, o.time = "", "", 0, 0
			}
			if e != o {
				t.Errorf("%s: a release's has %s as %+v, make deb's as %+v", name, at, e, o)
			}
		}
		if len(a.files) != len(b.files) {
			t.Errorf("%s: a release's .deb has %d files, make deb's %d", name, len(a.files), len(b.files))
		}
		for _, deb := range []string{released, made} {
			lint(t, deb)
		}
	}
}

// Each archive has the program, the licences, and files where links would lead nowhere.
func TestSnapshotArchives(t *testing.T) {
	archives, _ := filepath.Glob(dist + "/tunneld_*.tar.gz")
	for _, path := range archives {
		p := packed{files: make(map[string]entry)}
		p.add(t, gunzip(t, open(t, path)), "")
		root := "/" + strings.TrimSuffix(filepath.Base(path), ".tar.gz")
		for _, name := range []string{"tunneld", "LICENSE", "docs/licences.md", "deploy/systemd/tunneld@.service", "deploy/systemd/user/tunneld@.service"} {
			if e := p.files[root+"/"+name]; e.sum == "" || e.owner != "root:root" {
				t.Errorf("%s has %s as %+v", path, name, e)
			}
		}
	}
	if len(archives) < 8 {
		t.Errorf("archives: %q", archives)
	}
}

// one returns the only file of dist that a pattern names: of a release, or of `make deb`, whose version begins with 0~.
func one(t *testing.T, pattern string, made bool) string {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join(dist, pattern))
	paths = slices.DeleteFunc(paths, func(path string) bool { return strings.Contains(path, "_0~") != made })
	if len(paths) != 1 {
		t.Fatalf("%s: %q", pattern, paths)
	}
	return paths[0]
}

func open(t *testing.T, path string) io.Reader {
	t.Helper()
	data, err := os.ReadFile(path)
	lab.Check(t, err)
	return bytes.NewReader(data)
}

func gunzip(t *testing.T, r io.Reader) io.Reader {
	t.Helper()
	z, err := gzip.NewReader(r)
	lab.Check(t, err)
	return z
}

// add adds the files of a tar; those directly in it whose names begin with scripts are scripts, if scripts is not empty.
func (p *packed) add(t *testing.T, r io.Reader, scripts string) {
	t.Helper()
	for in := tar.NewReader(r); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		lab.Check(t, err)
		data, err := io.ReadAll(in)
		lab.Check(t, err)
		if scripts != "" {
			if name := strings.TrimPrefix(header.Name, "./"); strings.HasPrefix(name, scripts) {
				p.scripts[strings.TrimPrefix(name, ".")] = string(data)
			} else if name == "control" || name == ".PKGINFO" {
				p.fields = string(data)
			}
			continue
		}
		if header.Typeflag == tar.TypeDir {
			continue
		}
		e := entry{
			mode: fs.FileMode(header.Mode & 0o777), link: header.Linkname, owner: header.Uname + ":" + header.Gname,
			time: header.ModTime.Unix(), sum: fmt.Sprintf("%x", sha256.Sum256(data)),
		}
		if e.link != "" { // a link has neither
			e.mode, e.sum, e.owner = 0, "", ""
		}
		p.files[path.Join("/", header.Name)] = e
	}
}
