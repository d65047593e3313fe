package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Podman is podman with images and containers of its own, which end with the test.
type Podman struct {
	t    testing.TB
	dir  string
	args []string
}

// NewPodman skips the test where podman cannot be.
func NewPodman(t testing.TB) *Podman {
	t.Helper()
	NeedRoot(t, "podman mounts file systems")
	Need(t, "podman", "runc")
	dir, err := os.MkdirTemp("", "tunneld-podman-") // t.TempDir's paths are too long for conmon's sockets
	if err != nil {
		t.Fatal(err)
	}
	p := &Podman{t: t, dir: dir, args: []string{
		"podman", "--root", dir + "/graph", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp",
		"--runtime", "runc", "--cgroup-manager", "cgroupfs", // crun refuses hybrid cgroups, and there may be no systemd
	}}
	t.Cleanup(func() {
		p.Try("rm", "--all", "--force", "--time", "0")
		p.Try("rmi", "--all", "--force")
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return p
}

// Command returns a podman command that is not yet started.
func (p *Podman) Command(words ...string) *exec.Cmd {
	words = append(slices.Clone(p.args), words...)
	return exec.Command(words[0], words[1:]...)
}

// Try runs a podman command and returns its output and exit code.
func (p *Podman) Try(words ...string) (string, int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute) // a cleanup's, too
	defer cancel()
	words = append(slices.Clone(p.args), words...)
	out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("podman: %v", err)
	}
	if exit != nil {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

// Run is try for what has to succeed.
func (p *Podman) Run(words ...string) string {
	p.t.Helper()
	out, code := p.Try(words...)
	if code != 0 {
		p.t.Fatalf("podman %s: exit code %d\n%s", words[0], code, out)
	}
	return strings.TrimSpace(out)
}

// Limits are ulimits below ours: raising them may be forbidden.
var Limits = []string{"--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"}

const (
	Image     = "localhost/tunneld:test"
	imageBase = "docker.io/library/golang:1.26" // what the Dockerfile names
)

// Build builds the Dockerfile without a registry: the image that it starts from is made of this machine's shell, and this
// machine's Go with its caches is mounted into it.
func (p *Podman) Build(source string) {
	p.t.Helper()
	base := filepath.Join(p.dir, "base.tar")
	file, err := os.Create(base)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := errors.Join(writeBase(file), file.Close()); err != nil {
		p.t.Skipf("no base image can be made here: %v", err)
	}
	p.Run("import", "--quiet", "--change", "ENV PATH=/usr/local/go/bin:/bin", "--change", "ENV GOPATH=/go",
		"--change", "ENV GOTOOLCHAIN=local", "--change", "ENV GOCACHE=/cache", base, imageBase)
	try := append([]string{"run", "--rm", "--network", "host"}, Limits...)
	if out, code := p.Try(append(try, imageBase, "sh", "-c", ":")...); code != 0 {
		p.t.Skipf("podman cannot run anything here: %s", out)
	}
	golang := func(words ...string) string {
		out, err := exec.Command("go", words...).Output()
		if err != nil {
			p.t.Fatalf("go %s: %v", strings.Join(words, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	env := func(name string) string { return golang("env", name) }
	golang("mod", "download") // here, since the image has no certificates to fetch a module with
	words := append([]string{
		"build", "--quiet", "--pull=never", "--network", "host", "--format", "docker", // OCI's format has no HEALTHCHECK
		"--volume", env("GOROOT") + ":/usr/local/go:ro",
		"--volume", env("GOMODCACHE") + ":/go/pkg/mod",
		"--volume", env("GOCACHE") + ":/cache",
		"--build-arg", "VERSION=v0.0.0-test", "--tag", Image,
	}, Limits...)
	p.Run(append(words, source)...)
}

var libraryPath = regexp.MustCompile(`/\S+`)

// writeBase writes a tar of what the Dockerfile's first stage needs besides Go: a shell and mkdir with their libraries.
func writeBase(w io.Writer) error {
	files := make(map[string]string) // path in the image to path here
	for _, name := range []string{"sh", "mkdir"} {
		path, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		libraries, err := exec.Command("ldd", path).Output()
		if err != nil {
			return fmt.Errorf("ldd %s: %w", path, err)
		}
		files["bin/"+name] = path
		for _, library := range libraryPath.FindAllString(string(libraries), -1) {
			files[strings.TrimPrefix(library, "/")] = library
		}
	}
	out := tar.NewWriter(w)
	for _, dir := range []string{"tmp/", "go/", "cache/", "usr/local/go/"} {
		out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o1777})
	}
	for name, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(data))})
		out.Write(data)
	}
	return out.Close()
}

// CleanCheckout returns a copy of the files under version control, or the tree itself where there is no version control.
func CleanCheckout(t testing.TB) string {
	t.Helper()
	dir, err := Checkout(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if dir == "" {
		t.Log("no version control; the tree is taken as it is")
		return "../.."
	}
	return dir
}

// Checkout copies the files under version control to dir, and returns it; "" where there is no version control.
func Checkout(dir string) (string, error) {
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = "../.."
	names, err := list.Output()
	if err != nil {
		return "", nil
	}
	for name := range bytes.SplitSeq(bytes.TrimSuffix(names, []byte{0}), []byte{0}) {
		data, err := os.ReadFile(filepath.Join("..", "..", string(name)))
		if errors.Is(err, os.ErrNotExist) {
			continue // removed, and not yet committed
		}
		to := filepath.Join(dir, string(name))
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o644)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// Healthy reports whether the container's HEALTHCHECK succeeds.
func (p *Podman) Healthy() bool {
	_, code := p.Try("healthcheck", "run", "tunneld")
	return code == 0
}
