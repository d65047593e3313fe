package autossh

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// The commands that Debian ships around autossh, all of which run it by its name.
var companions = []string{"autossh-argv0", "rscreen", "rtmux", "ruscreen"}

// companionDirs returns where they are: Debian's, and ours, which `make install` and the package tunneld-autossh put in their place.
func companionDirs(t *testing.T) map[string]string {
	t.Helper()
	lab.Need(t, companions...)
	ours := t.TempDir()
	source, err := filepath.Abs("../../deploy/autossh")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range companions {
		file := name
		if name != "autossh-argv0" {
			file = "rscreen"
		}
		if err := os.Symlink(filepath.Join(source, file), filepath.Join(ours, name)); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]string{"Debian's": "/usr/bin", "ours": ours}
}

// showWords stands in for autossh.
const showWords = "#!/bin/sh\nfor word; do printf '<%s>' \"$word\"; done\n"

// Both sets hand autossh the same words, and end in the same way where they do not get to that.
func TestCompanionsRunAutossh(t *testing.T) {
	t.Parallel()
	dirs := companionDirs(t)
	for _, c := range []struct{ name, words, variable, file, want string }{
		{"rscreen", "host", "", "", "<-t><host><screen -Rd>"},
		{"ruscreen", "host", "", "", "<-t><host><screen -RdU>"},
		{"rtmux", "-M 0 -p 22 user@host", "", "", "<-t><-M><0><-p><22><user@host><tmux a || tmux new>"},
		{"rscreen", "host", "RSCREEN_COMMAND=screen -x a b", "", "<-t><host><screen -x a b>"},
		{"rtmux", "host", "", ".rtmuxrc:RSCREEN_COMMAND='tmux attach -d'", "<-t><host><tmux attach -d>"},
		{"rtmux", "host", "", ".rscreenrc:RSCREEN_COMMAND=other", "<-t><host><tmux a || tmux new>"},
		{"rscreen", "", "", "", "exit 1"}, {"rtmux", "-h", "", "", "exit 0"}, {"ruscreen", "--help", "", "", "exit 0"},
		{"autossh-argv0", "ls", "", "", "exit 1"}, {"bob@db.example.org", "-M 0 ls -la", "", "", "<bob@db.example.org><-M><0><ls><-la>"},
	} {
		for whose, dir := range dirs {
			home := t.TempDir()
			lab.WriteFile(t, filepath.Join(home, "autossh"), showWords)
			lab.Check(t, os.Chmod(filepath.Join(home, "autossh"), 0o700))
			if name, text, ok := strings.Cut(c.file, ":"); ok {
				lab.WriteFile(t, filepath.Join(home, name), text+"\n")
			}
			program := filepath.Join(dir, c.name)
			if strings.Contains(c.name, "@") {
				program = filepath.Join(home, c.name)
				lab.Check(t, os.Symlink(filepath.Join(dir, "autossh-argv0"), program))
			}
			cmd := exec.Command(program, strings.Fields(c.words)...)
			cmd.Env = []string{"HOME=" + home, "PATH=" + home + ":/usr/bin:/bin", "SSH_AUTH_SOCK=/nonexistent", c.variable}
			out, err := cmd.Output()
			got := string(out)
			var exit *exec.ExitError
			switch {
			case err != nil && !errors.As(err, &exit):
				t.Fatal(err)
			case strings.HasPrefix(c.want, "exit"):
				got = "exit " + string(rune('0'+cmd.ProcessState.ExitCode()))
			}
			if got != c.want {
				t.Errorf("%s %s %s: %s, want %s", whose, c.name, c.words, got, c.want)
			}
		}
	}
}

// Debian's start an agent where there is none; ours leave the passphrase to tunneld, which asks for it once.
func TestCompanionsStartNoAgent(t *testing.T) {
	t.Parallel()
	for whose, dir := range companionDirs(t) {
		home := t.TempDir()
		for name, script := range map[string]string{"autossh": showWords, "ssh-agent": "#!/bin/sh\n: >\"$HOME/agent\"\n", "ssh-add": "#!/bin/sh\n"} {
			lab.WriteFile(t, filepath.Join(home, name), script)
			lab.Check(t, os.Chmod(filepath.Join(home, name), 0o700))
		}
		cmd := exec.Command(filepath.Join(dir, "rscreen"), "host")
		cmd.Env = []string{"HOME=" + home, "PATH=" + home + ":/usr/bin:/bin"}
		if out, err := cmd.Output(); err != nil || string(out) != "<-t><host><screen -Rd>" {
			t.Errorf("%s: %v, %q", whose, err, out)
		}
		if _, err := os.Stat(filepath.Join(home, "agent")); (err == nil) != (whose == "Debian's") {
			t.Errorf("%s started an agent: %v", whose, err == nil)
		}
	}
}

// A link of a host's name runs a command there.
func TestHostAsACommand(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	for whose, dir := range companionDirs(t) {
		r := s.begin(t, "AUTOSSH_GATETIME=0 -M 0 server", func(r *run) {
			link := filepath.Join(r.dir, "server")
			lab.Check(t, os.Symlink(filepath.Join(dir, "autossh-argv0"), link))
			r.words = append([]string{link}, r.words[1:len(r.words)-1]...)
			r.words = append(r.words, "echo", "hi there")
			r.first(filepath.Dir(s.program))
		})
		r.exits(t, 0)
		if text := r.file("out"); text != "hi there\n" {
			t.Errorf("%s: it printed %q", whose, text)
		}
	}
}

// first puts a directory at the beginning of PATH.
func (r *run) first(dir string) {
	for i, v := range r.environ {
		if path, ok := strings.CutPrefix(v, "PATH="); ok {
			r.environ[i] = "PATH=" + dir + ":" + path
		}
	}
}
