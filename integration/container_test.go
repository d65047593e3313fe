package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The image of the Dockerfile, built from a clean checkout and run the way README.md says.
func TestContainer(t *testing.T) {
	t.Parallel()
	p := newPodman(t)
	p.build(cleanCheckout(t))
	t.Run("image", func(t *testing.T) { testImage(t, p) })
	t.Run("any user, all read-only", func(t *testing.T) { testContainedTunnel(t, p) })
	t.Run("root, all read-only, with no /run", func(t *testing.T) { testContainedRoot(t, p) })
	t.Run("stops in time with a connection open", func(t *testing.T) { testContainedStop(t, p) })
	t.Run("nowhere to write", func(t *testing.T) { testNothingWritable(t, p) })
	t.Run("no shell", func(t *testing.T) { testNoShell(t, p) })
}

func testImage(t *testing.T, p *podman) {
	size, err := strconv.Atoi(p.run("image", "inspect", "--format", "{{.Size}}", image))
	if err != nil || size > 20_000_000 {
		t.Errorf("the image has %d bytes, want at most 20 MB (%v)", size, err)
	}
	if user := p.run("image", "inspect", "--format", "{{.User}}", image); user == "" || strings.HasPrefix(user, "0") {
		t.Errorf("it runs as user %q", user)
	}
	if out := p.run(contained("", "version")...); !strings.HasPrefix(out, "tunneld v0.0.0-test ") {
		t.Errorf("version: %s", out)
	}
}

// contained gives the words of podman that run tunneld with nothing that it does not need.
func contained(dotSSH string, words ...string) []string {
	run := []string{
		"run", "--rm", "--name", "tunneld", "--network", "host", "--no-healthcheck", "--passwd=false",
		"--user", fmt.Sprint(containerUser, ":", containerUser),
		"--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges",
	}
	if dotSSH != "" {
		run = append(run, "--volume", dotSSH+":/home/tunneld/.ssh:ro")
	}
	return append(append(append(run, limits...), image), words...)
}

func testContainedTunnel(t *testing.T, p *podman) {
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	words := contained(l.dotSSH("IdentityFile ~/.ssh/id_ed25519"), append([]string{"up", alias, "--log-format", "json"}, r.flags...)...)
	words = append(words[:len(words):len(words)], hasty...)
	c := startChild(t, "tunneld in a container", p.command(without(words, "--no-healthcheck")...))
	waitUp(t, c, 0)
	check(t, r.works(patience))

	eventually(t, patience, "the container is healthy", p.healthy)
	l.server.kill()
	eventually(t, patience, "the container is not healthy in an outage", func() bool { return !p.healthy() })
	l.server.start()
	eventually(t, patience, "the container is healthy again", p.healthy)

	pid, err := strconv.Atoi(p.run("inspect", "--format", "{{.State.Pid}}", "tunneld"))
	if err != nil {
		t.Fatal(err)
	}
	asked := time.Now()
	syscall.Kill(pid, syscall.SIGTERM)
	eventually(t, patience, "the process has ended", func() bool { return syscall.Kill(pid, 0) != nil })
	if took := time.Since(asked); took > time.Second {
		t.Errorf("idle, it took %v to stop, want less than 1 s", took)
	}
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// Root's place for the control socket is /run/tunneld, which the image has not: its health check never passed.
func testContainedRoot(t *testing.T, p *podman) {
	t.Cleanup(func() { p.try("rm", "--force", "--ignore", "--time", "0", "tunneld") })
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	directory := l.dotSSH("IdentityFile ~/.ssh/id_ed25519")
	os.Chmod(filepath.Join(directory, "id_ed25519"), 0o400) // root's key, as root must have it
	words := contained(directory, append([]string{"up", alias, "--log-format", "json"}, r.flags...)...)
	words = replaced(without(words, "--no-healthcheck"), fmt.Sprint(containerUser, ":", containerUser), "0:0")
	c := startChild(t, "tunneld in a container", p.command(words...))
	waitUp(t, c, 0)
	eventually(t, patience, "the container of root is healthy", p.healthy)
	if out := p.run("exec", "tunneld", "/tunneld", "status"); !strings.Contains(out, alias) {
		t.Errorf("status in the container says %q", out)
	}
	p.run("stop", "--time", "10", "tunneld")
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// The drain must end before the engine's patience: with both at 10 s one stop in two was a SIGKILL. The time to stop is that
// of podman and docker where nobody says another.
func testContainedStop(t *testing.T, p *podman) {
	t.Cleanup(func() { p.try("rm", "--force", "--ignore", "--time", "0", "tunneld") })
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	words := contained(l.dotSSH("IdentityFile ~/.ssh/id_ed25519"), append([]string{"up", alias, "--log-format", "json"}, r.flags...)...)
	c := startChild(t, "tunneld in a container", p.command(words...))
	waitUp(t, c, 0)
	open := r.connect(t)
	check(t, exchange(open, "open when it is stopped", patience))
	asked := time.Now()
	p.run("stop", "tunneld")
	if code, took := c.waitExit(t, patience), time.Since(asked); code != 0 || took < 7*time.Second {
		t.Errorf("exit code %d after %v; want 0, and 8 s for the open connection", code, took.Round(time.Millisecond))
	}
}

// Without a place for the control socket there is none, and all else works.
func testNothingWritable(t *testing.T, p *podman) {
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	words := contained(l.dotSSH("IdentityFile ~/.ssh/id_ed25519"), append([]string{"up", alias, "--log-format", "json"}, r.flags...)...)
	c := startChild(t, "tunneld in a container", p.command(without(without(words, "--tmpfs"), "/tmp")...))
	waitUp(t, c, 0)
	check(t, r.works(patience))
	p.run("stop", "--time", "10", "tunneld")
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// An image of one binary can not run commands, and says so at once.
func testNoShell(t *testing.T, p *podman) {
	l := newLab(t)
	for line, want := range map[string]string{
		"ProxyCommand nc %h %p":           "hint: use ProxyJump",
		"Match exec true\n    User other": "hint: an image without a shell",
	} {
		out, code := p.try(contained(l.dotSSH(fmt.Sprint("DynamicForward ", freePort(t)), line), "up", alias)...)
		if code != 2 || !strings.Contains(out, want) {
			t.Errorf("%s: exit code %d, and says nothing of %q:\n%s", line, code, want, out)
		}
	}
}

// without gives words without one of them.
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
