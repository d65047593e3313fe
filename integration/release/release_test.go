// Package release holds what is published to what it promises: builds that can be made again, packages for each system, forms that ask
// for what helps.
package release

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tunneld/tunneld/integration/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// releaser is .goreleaser.yaml, as far as it is of use here; goreleaser itself checks it in CI.
type releaser struct {
	Builds []struct {
		Main, Binary        string
		Env, Flags, Ldflags []string
		Targets             []string
		ModTimestamp        string `yaml:"mod_timestamp"`
	}
	Archives []struct {
		Files []struct{ Src string }
	}
	NFPMs []struct {
		PackageName string `yaml:"package_name"`
		Formats     []string
		Contents    []struct{ Src string }
		Description string
		Overrides   map[string]struct {
			Scripts map[string]string
			APK     struct{ Scripts map[string]string } `yaml:"apk"`
		}
	}
	SBOMs []struct{ Cmd string }
}

func configuration(t *testing.T) (r releaser) {
	t.Helper()
	text, err := os.ReadFile("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lab.Check(t, yaml.Unmarshal(text, &r))
	if len(r.Builds) != 1 || len(r.Archives) != 1 || len(r.NFPMs) != 2 || len(r.SBOMs) != 1 {
		t.Fatalf(".goreleaser.yaml has %+v", r)
	}
	return r
}

// The program of a release is the same, byte for byte, wherever and whenever it is built: in another directory, in a clone and in a
// tarball of sources, whatever the environment says. One platform stands for all.
func TestBuildIsReproducible(t *testing.T) {
	t.Parallel()
	lab.Need(t, "git")
	b := configuration(t).Builds[0]
	clone, err := lab.Checkout(filepath.Join(t.TempDir(), "clone"))
	if err != nil || clone == "" {
		t.Skipf("needs a checkout by git: %v", err)
	}
	tarball, err := lab.Checkout(filepath.Join(t.TempDir(), "somewhere", "else"))
	lab.Check(t, err)
	for _, words := range [][]string{{"init", "-q"}, {"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "one"}} {
		git := exec.Command("git", words...)
		git.Dir = clone
		if out, err := git.CombinedOutput(); err != nil {
			t.Fatalf("git: %v: %s", err, out)
		}
	}
	const commit, date = "0123456789abcdef0123456789abcdef01234567", "2026-11-22T01:02:03Z"
	ldflags := strings.NewReplacer("{{ .Version }}", "1.2.3", "{{ .FullCommit }}", commit, "{{ .CommitDate }}", date).Replace(b.Ldflags[0])
	build := func(dir string, env ...string) []byte {
		t.Helper()
		words := slices.Concat([]string{"build"}, b.Flags, []string{"-ldflags", ldflags, "-o", "released", b.Main})
		cmd := exec.Command("go", words...)
		cmd.Dir, cmd.Env = dir, slices.Concat(os.Environ(), b.Env, env)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
		data, err := os.ReadFile(filepath.Join(dir, "released"))
		lab.Check(t, err)
		return data
	}
	first := build(clone, "GOFLAGS=-buildvcs=true", "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8")
	second := build(tarball, "GOFLAGS=", "TZ=UTC", "HOME="+t.TempDir(), "GOCACHE="+cache(t, "GOCACHE"), "GOMODCACHE="+cache(t, "GOMODCACHE"))
	if !bytes.Equal(first, second) {
		t.Errorf("two builds of the same sources differ: %d and %d bytes", len(first), len(second))
	}
	out, err := exec.Command(filepath.Join(tarball, "released"), "version").Output()
	want := "tunneld v1.2.3 " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + ", commit 0123456789ab of 2026-11-22\n"
	if err != nil || string(out) != want {
		t.Errorf("it calls itself %q (%v), want %q", out, err, want)
	}
}

func cache(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	lab.Check(t, err)
	return strings.TrimSpace(string(out))
}

// What the configuration of goreleaser names is there, and so are the platforms that the documents promise.
func TestReleaseNamesWhatThereIs(t *testing.T) {
	r := configuration(t)
	var paths []string
	for _, file := range r.Archives[0].Files {
		paths = append(paths, file.Src)
		found, _ := filepath.Glob(filepath.Join("../..", file.Src))
		for _, path := range found { // goreleaser packs a link as a link, which leads nowhere in the archive
			if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s is no file: %v, %v", path, info, err)
			}
		}
	}
	makefile := text(t, "Makefile")
	for _, n := range r.NFPMs {
		for _, format := range []string{"deb", "rpm", "apk"} {
			if !slices.Contains(n.Formats, format) {
				t.Errorf("%s is not made as %s", n.PackageName, format)
			}
		}
		for _, overrides := range n.Overrides {
			for _, script := range slices.Concat(slices.Collect(maps.Values(overrides.Scripts)), slices.Collect(maps.Values(overrides.APK.Scripts))) {
				paths = append(paths, strings.Replace(script, "bin/package-apk/", "deploy/apk/", 1)) // make package-files copies them
			}
		}
		for _, content := range n.Contents {
			dir := strings.TrimSuffix(content.Src, "/usr")
			if !strings.Contains(makefile, "DESTDIR="+dir+" PREFIX=/usr") && !strings.Contains(makefile, "(call debchanges,"+n.PackageName+","+dir+")") {
				t.Errorf("%s has %s, which make package-files does not make", n.PackageName, content.Src)
			}
		}
		if control := text(t, map[string]string{"tunneld": "deploy/debian/control", "tunneld-autossh": "deploy/debian/control-autossh"}[n.PackageName]); !strings.HasSuffix(control, "Description: "+debianText(n.Description)+"\n") {
			t.Errorf("make deb says something else of %s than goreleaser: want\n%s", n.PackageName, debianText(n.Description))
		}
	}
	paths = append(paths, filepath.Join("dist", r.SBOMs[0].Cmd), r.Builds[0].Main)
	for _, path := range paths {
		if found, _ := filepath.Glob(filepath.Join("../..", strings.ReplaceAll(path, "**/", ""))); len(found) == 0 {
			t.Errorf("there is no %s", path)
		}
	}
	for _, target := range []string{"linux_amd64", "linux_arm64", "linux_arm_7", "linux_riscv64", "darwin_amd64", "darwin_arm64", "freebsd_amd64", "freebsd_arm64"} {
		if !slices.Contains(r.Builds[0].Targets, target) {
			t.Errorf("nothing is built for %s", target)
		}
	}
}

// debianText returns a description as a control file has it.
func debianText(description string) string {
	text := strings.ReplaceAll(strings.TrimSpace(description), "\n", "\n ")
	return strings.ReplaceAll(text, "\n \n", "\n .\n")
}

// text reads a file of the project.
func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Whoever reports a defect is asked for what is needed first.
func TestFormsAskForVersionAndCheck(t *testing.T) {
	var form struct {
		Body []struct {
			ID          string
			Attributes  struct{ Label string }
			Validations struct{ Required bool }
		}
	}
	lab.Check(t, yaml.Unmarshal([]byte(text(t, ".github/ISSUE_TEMPLATE/bug.yml")), &form))
	for _, command := range []string{"`tunneld version`", "`tunneld check ALIAS`"} {
		asked := false
		for _, field := range form.Body {
			asked = asked || strings.Contains(field.Attributes.Label, command) && field.Validations.Required
		}
		if !asked {
			t.Errorf("nobody is asked for %s", command)
		}
	}
	for _, path := range []string{".github/ISSUE_TEMPLATE/wish.yml", ".github/ISSUE_TEMPLATE/config.yml", ".github/dependabot.yml"} {
		var any map[string]any
		lab.Check(t, yaml.Unmarshal([]byte(text(t, path)), &any))
	}
}
