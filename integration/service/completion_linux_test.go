package service

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// typing is what a person types into a shell, and what the shell makes of it by the Tab key.
var typing = []struct{ typed, completed string }{
	{"tunneld rel", "tunneld reload "},
	{"tunneld up -F config on", "tunneld up -F config one "},
	{"tunneld check -F config on", "tunneld check -F config one "},
	{"tunneld explain -F config on", "tunneld explain -F config one "},
	{"tunneld up -F config bob@on", "tunneld up -F config bob@one "},
	{"tunneld up -F config -J one,tw", "tunneld up -F config -J one,two "},
	{"tunneld up -o ServerAliveCou", "tunneld up -o ServerAliveCountMax="},
	{"tunneld up -o TunneldHo", "tunneld up -o TunneldHold="},
	{"tunneld up -o LogLevel=QU", "tunneld up -o LogLevel=QUIET "},
	{"tunneld up -oStrictHostKeyChecking=acc", "tunneld up -oStrictHostKeyChecking=accept-new "},
	{"tunneld up -c chacha", "tunneld up -c chacha20-poly1305@openssh.com "},
	{"tunneld up --log-level=de", "tunneld up --log-level=debug "},
	{"tunneld up --log-format js", "tunneld up --log-format json "},
	{"tunneld status on", "tunneld status one "},
	{"tunneld down on", "tunneld down one "},
	{"tunneld reconnect on", "tunneld reconnect one "},
	{"tunneld log on", "tunneld log one "},
	{"tunneld up -F con", "tunneld up -F config "},
	{"tunneld up -o IdentityFile=id_e", "tunneld up -o IdentityFile=id_ed25519"},
}

// shellOf starts an interactive shell that knows nothing but our completion, in the account's directory.
func shellOf(t *testing.T, l *lab.Lab, path string, words ...string) *lab.Terminal {
	t.Helper()
	lab.Need(t, words[0])
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = l.Account.Dir
	cmd.Env = append(l.Account.Environment(), "PATH="+path+":"+os.Getenv("PATH"), "TERM=dumb", "PS1=> ", "ZDOTDIR="+l.Account.Dir)
	m := lab.NewTerminal(t, 200, 50, nil)
	m.Start(cmd)
	m.Wait("> ")
	return m
}

// programs returns a directory in which our program has its name.
func programs(t *testing.T, binary string) string {
	t.Helper()
	dir := t.TempDir()
	lab.Check(t, os.Symlink(binary, dir+"/tunneld"))
	return dir
}

// tab types a line and the Tab key, waits for what becomes of it, and takes the line back.
func tab(t *testing.T, m *lab.Terminal, typed, completed string) {
	t.Helper()
	from := len(m.Shown())
	m.Type(typed + "\t")
	ok := lab.Within(lab.Patience, func() bool { return strings.Contains(plain(m.Shown()[from:]), completed) })
	if !ok {
		t.Errorf("%q becomes %q, want %q", typed, plain(m.Shown()[from:]), completed)
	}
	from = len(m.Shown())
	m.Type("\x15\necho do''ne\n") // Ctrl-U
	lab.Eventually(t, lab.Patience, "an empty line", func() bool { return strings.Contains(m.Shown()[from:], "done") })
}

// plain takes away what rings and moves.
func plain(screen string) string {
	return strings.NewReplacer("\a", "", "\r", "", "\x1b[K", "", "\x1b[J", "", "\x1b[0m", "").Replace(screen)
}

// Without bash-completion, which has the functions that cobra's script calls.
func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	l.Up(1, "one")
	m := shellOf(t, l, programs(t, l.Account.Binary()), "bash", "--norc", "--noprofile", "-i")
	m.Type("source <(tunneld completion bash)\n")
	for _, c := range typing {
		tab(t, m, c.typed, c.completed)
	}
	tab(t, m, "tunneld up -o Tunneld\tHo", "tunneld up -o TunneldHold=") // the first key takes nothing away
	for typed, says := range map[string]string{"tunneld up --l": "ADDR of the HTTP server", "tunneld up -o Tunneld": "TunneldDrain=           how long open connections may go on", "tunneld up -oTunneld": "-oTunneldDrain=           how long open"} {
		from := len(m.Shown())
		m.Type(typed + "\t\t") // what they are, by the second key
		lab.Eventually(t, lab.Patience, "descriptions", func() bool { return strings.Contains(m.Shown()[from:], says) })
		m.Type("\x15")
	}
	if shown := m.Shown(); strings.Contains(shown, "command not found") || strings.Contains(shown, "`") {
		t.Errorf("it shows %q", shown)
	}
}

func TestCompletionInZsh(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	l.Up(1, "one")
	m := shellOf(t, l, programs(t, l.Account.Binary()), "zsh", "-f", "-i", "-o", "NO_PROMPT_SP")
	m.Type("bindkey -e; source <(tunneld completion zsh); echo rea''dy\n")
	m.Wait("ready")
	for _, c := range typing {
		tab(t, m, c.typed, c.completed)
	}
	for typed, says := range map[string]string{"tunneld up --l": "ADDR of the HTTP server", "tunneld up -o Tunneld": "loops a nonce"} {
		from := len(m.Shown())
		m.Type(typed + "\t\t") // what they are
		lab.Eventually(t, lab.Patience, "descriptions", func() bool { return strings.Contains(m.Shown()[from:], says) })
		if shown := m.Shown()[from:]; strings.Contains(shown, "`") {
			t.Errorf("it shows %q", shown)
		}
		m.Type("\x15")
	}
}

// fish tells what it would offer.
func TestCompletionInFish(t *testing.T) {
	t.Parallel()
	lab.Need(t, "fish")
	l, _, _ := two(t)
	l.Up(1, "one")
	path := programs(t, l.Account.Binary())
	said := ""
	for _, c := range append(typing, struct{ typed, completed string }{"tunneld up -o TunneldE", "tunneld up -o TunneldEcho="}) {
		cmd := exec.Command("fish", "--no-config", "-c", "tunneld completion fish | source; complete -C "+fmt.Sprintf("%q", c.typed))
		cmd.Dir = l.Account.Dir
		cmd.Env = append(l.Account.Environment(), "PATH="+path+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		_, want, _ := strings.Cut(c.completed, c.typed[:strings.LastIndex(c.typed, " ")+1])
		found := false
		for line := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			found = found || word == strings.TrimSpace(want)
		}
		if !found || err != nil {
			t.Errorf("%q: %v, it offers\n%swant %q", c.typed, err, out, want)
		}
		said += string(out)
	}
	if !strings.Contains(said, "loops a nonce") || strings.Contains(said, "`") {
		t.Errorf("it describes\n%s", said)
	}
}

// What a stranger calls a tunnel is never run: a program that offers what no tunneld would stands for one that was deceived.
func TestCompletionRunsNothing(t *testing.T) {
	t.Parallel()
	for name, words := range map[string][]string{"bash": {"bash", "--norc", "--noprofile", "-i"}, "zsh": {"zsh", "-f", "-i", "-o", "NO_PROMPT_SP"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			dir := t.TempDir()
			script := "#!/bin/sh\n[ \"$1\" = completion ] && exec " + l.Account.Binary() + " \"$@\"\n[ \"$1\" = __complete ] || exit 0\n" +
				"printf 'a$(touch pwned)\\ta`touch pwned`\\nb;touch pwned\\n`touch pwned`\\n:4\\n'\n"
			lab.WriteFile(t, dir+"/tunneld", script)
			lab.Check(t, os.Chmod(dir+"/tunneld", 0o700))
			m := shellOf(t, l, dir, words...)
			m.Type("source <(tunneld completion " + name + "); echo rea''dy\n")
			m.Wait("ready")
			for _, typed := range []string{"", "a", "b", "`"} {
				m.Type("tunneld status " + typed + "\t\t\x05\n")
				m.Type("\x03\necho aga''in" + typed + "\n")
				m.Wait("again")
			}
			if _, err := os.Stat(l.Account.Path("pwned")); err == nil {
				t.Errorf("it was run: %q", m.Shown())
			}
		})
	}
}
