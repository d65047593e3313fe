package service

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The image of the Dockerfile, built from a clean checkout and run the way docs/containers.md says.
func TestContainer(t *testing.T) {
	t.Parallel()
	p := lab.NewPodman(t)
	p.Build(lab.CleanCheckout(t))
	t.Run("image", func(t *testing.T) { testImage(t, p) })
	t.Run("any user, all read-only", func(t *testing.T) { testContainedTunnel(t, p) })
	t.Run("root, all read-only, with no /run", func(t *testing.T) { testContainedRoot(t, p) })
	t.Run("stops in time with a connection open", func(t *testing.T) { testContainedStop(t, p) })
	t.Run("nowhere to write", func(t *testing.T) { testNothingWritable(t, p) })
	t.Run("no shell", func(t *testing.T) { testNoShell(t, p) })
	t.Run("what the page says", func(t *testing.T) { testContainersPage(t, p) })
}

func testImage(t *testing.T, p *lab.Podman) {
	size, err := strconv.Atoi(p.Run("image", "inspect", "--format", "{{.Size}}", lab.Image))
	if err != nil || size > 20_000_000 {
		t.Errorf("the image has %d bytes, want at most 20 MB (%v)", size, err)
	}
	if user := p.Run("image", "inspect", "--format", "{{.User}}", lab.Image); user == "" || strings.HasPrefix(user, "0") {
		t.Errorf("it runs as user %q", user)
	}
	for label, want := range map[string]string{
		"version": "v0.0.0-test", "licenses": "MIT", "source": "https://github.com/tunneld/tunneld", "title": "tunneld",
	} {
		if have := p.Run("image", "inspect", "--format", `{{index .Labels "org.opencontainers.image.`+label+`"}}`, lab.Image); have != want {
			t.Errorf("label %s is %q, want %q", label, have, want)
		}
	}
	if out := p.Run(contained("", "version")...); !strings.HasPrefix(out, "tunneld v0.0.0-test ") {
		t.Errorf("version: %s", out)
	}
	container := p.Run(append(append([]string{"create"}, lab.Limits...), lab.Image)...)
	defer p.Try("rm", container)
	dir := t.TempDir()
	p.Run("cp", container+":/usr/share/doc/tunneld/.", dir)
	for name, source := range map[string]string{"LICENSE": "../../LICENSE", "licences.md": "../../docs/licences.md"} {
		have, err := os.ReadFile(filepath.Join(dir, name))
		want, missing := os.ReadFile(source)
		if err != nil || missing != nil || string(have) != string(want) {
			t.Errorf("%s does not go with the image: %v, %v", name, err, missing)
		}
	}
}

// contained returns the words of podman that run tunneld with nothing that it does not need.
func contained(dotSSH string, words ...string) []string {
	run := []string{
		"run", "--rm", "--name", "tunneld", "--network", "host", "--no-healthcheck", "--passwd=false",
		"--user", fmt.Sprint(lab.ContainerUser, ":", lab.ContainerUser),
		"--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges",
	}
	if dotSSH != "" {
		run = append(run, "--volume", dotSSH+":/home/tunneld/.ssh:ro")
	}
	return append(append(append(run, lab.Limits...), lab.Image), words...)
}

func testContainedTunnel(t *testing.T, p *lab.Podman) {
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	words := contained(l.DotSSH("IdentityFile ~/.ssh/id_ed25519"), append([]string{"up", lab.Alias, "--log-format", "json"}, r.Flags...)...)
	words = append(words[:len(words):len(words)], lab.Hasty...)
	c := lab.StartChild(t, "tunneld in a container", p.Command(without(words, "--no-healthcheck")...))
	lab.WaitUp(t, c, 0)
	lab.Check(t, r.Works(lab.Patience))

	lab.Eventually(t, lab.Patience, "the container is healthy", p.Healthy)
	l.Server.Kill()
	lab.Eventually(t, lab.Patience, "the container is not healthy in an outage", func() bool { return !p.Healthy() })
	l.Server.Start()
	lab.Eventually(t, lab.Patience, "the container is healthy again", p.Healthy)

	pid, err := strconv.Atoi(p.Run("inspect", "--format", "{{.State.Pid}}", "tunneld"))
	if err != nil {
		t.Fatal(err)
	}
	asked := time.Now()
	syscall.Kill(pid, syscall.SIGTERM)
	lab.Eventually(t, lab.Patience, "the process has ended", func() bool { return syscall.Kill(pid, 0) != nil })
	if took := time.Since(asked); took > 5*time.Second { // half of TunneldDrain
		t.Errorf("idle, it took %v to stop", took)
	}
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// Root's place for the control socket is /run/tunneld, which the image has not: its health check never passed.
func testContainedRoot(t *testing.T, p *lab.Podman) {
	t.Cleanup(func() { p.Try("rm", "--force", "--ignore", "--time", "0", "tunneld") })
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	directory := l.DotSSH("IdentityFile ~/.ssh/id_ed25519")
	os.Chmod(filepath.Join(directory, "id_ed25519"), 0o400) // root's key, as root must have it
	words := contained(directory, append([]string{"up", lab.Alias, "--log-format", "json"}, r.Flags...)...)
	words = replaced(without(words, "--no-healthcheck"), fmt.Sprint(lab.ContainerUser, ":", lab.ContainerUser), "0:0")
	c := lab.StartChild(t, "tunneld in a container", p.Command(words...))
	lab.WaitUp(t, c, 0)
	lab.Eventually(t, lab.Patience, "the container of root is healthy", p.Healthy)
	if out := p.Run("exec", "tunneld", "/tunneld", "status"); !strings.Contains(out, lab.Alias) {
		t.Errorf("status in the container says %q", out)
	}
	p.Run("stop", "--time", "10", "tunneld")
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// The drain must end before the engine's patience: with both at 10 s one stop in two was a SIGKILL. The time to stop is that
// of podman and docker where nobody says another.
func testContainedStop(t *testing.T, p *lab.Podman) {
	t.Cleanup(func() { p.Try("rm", "--force", "--ignore", "--time", "0", "tunneld") })
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	words := contained(l.DotSSH("IdentityFile ~/.ssh/id_ed25519"), append([]string{"up", lab.Alias, "--log-format", "json"}, r.Flags...)...)
	c := lab.StartChild(t, "tunneld in a container", p.Command(words...))
	lab.WaitUp(t, c, 0)
	open := r.Connect(t)
	lab.Check(t, lab.Exchange(open, "open when it is stopped", lab.Patience))
	asked := time.Now()
	p.Run("stop", "tunneld")
	if code, took := c.WaitExit(t, lab.Patience), time.Since(asked); code != 0 || took < 7*time.Second {
		t.Errorf("exit code %d after %v; want 0, and 8 s for the open connection", code, took.Round(time.Millisecond))
	}
}

// Without a place for the control socket there is none, and all else works.
func testNothingWritable(t *testing.T, p *lab.Podman) {
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	words := contained(l.DotSSH("IdentityFile ~/.ssh/id_ed25519"), append([]string{"up", lab.Alias, "--log-format", "json"}, r.Flags...)...)
	c := lab.StartChild(t, "tunneld in a container", p.Command(without(without(words, "--tmpfs"), "/tmp")...))
	lab.WaitUp(t, c, 0)
	lab.Check(t, r.Works(lab.Patience))
	p.Run("stop", "--time", "10", "tunneld")
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// An image of one binary cannot run commands, and says so at once.
func testNoShell(t *testing.T, p *lab.Podman) {
	l := lab.New(t)
	for line, want := range map[string]string{
		"ProxyCommand nc %h %p":           "hint: use ProxyJump",
		"Match exec true\n    User other": "hint: an image without a shell",
	} {
		out, code := p.Try(contained(l.DotSSH(fmt.Sprint("DynamicForward ", lab.FreePort(t)), line), "up", lab.Alias)...)
		if code != 2 || !strings.Contains(out, want) {
			t.Errorf("%s: exit code %d, and says nothing of %q:\n%s", line, code, want, out)
		}
	}
}

// without returns words without one of them.
func without(words []string, word string) []string {
	var rest []string
	for _, w := range words {
		if w != word {
			rest = append(rest, w)
		}
	}
	return rest
}

// replaced returns words with one of them exchanged for another.
func replaced(words []string, old, word string) []string {
	words = slices.Clone(words)
	if i := slices.Index(words, old); i >= 0 {
		words[i] = word
	}
	return words
}
