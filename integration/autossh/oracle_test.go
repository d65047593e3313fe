package autossh

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/config/sshflag"
	"github.com/tunneld/tunneld/integration/lab"
)

// vector is one command line of autossh. Words stand between blanks, variables first; PORT is a free port, ” an empty word,
// and · a blank within one.
type vector struct {
	line    string
	differs string // the name of the autossh.Difference that it is an example of; empty: both do the same
}

// recorder stands in for ssh: it writes its arguments, each ended by a NUL, and ends in a way that ends autossh. It takes its
// time: autossh sees the end of a child that ends at once only at the next poll, which is why that is short, too.
const recorder = "#!/bin/sh\n[ $# -eq 0 ] || printf '%s\\0' \"$@\" >\"$RECORD.new\"\n[ $# -gt 0 ] || : >\"$RECORD.new\"\nmv \"$RECORD.new\" \"$RECORD\"\nsleep 0.1\nexit 3\n"

// freePort returns a port below those that Debian's wrapper chooses from, which is free as is the next one.
func freePort(t *testing.T) int {
	t.Helper()
	return lab.FreePorts(t, 2)
}

// split returns the variables and the words of a vector.
func (v vector) split(port int) (variables, words []string) {
	for _, word := range strings.Fields(strings.ReplaceAll(v.line, "PORT", strconv.Itoa(port))) {
		word = strings.ReplaceAll(word, "·", " ")
		switch {
		case word == "''":
			words = append(words, "")
		case len(words) == 0 && strings.HasPrefix(word, "AUTOSSH_"):
			variables = append(variables, word)
		default:
			words = append(words, word)
		}
	}
	return variables, words
}

// theirs runs the real autossh and returns what it makes of the vector, in the words of spell. A port that the wrapper chose
// may be taken by now, and then it runs again.
func theirs(t *testing.T, script string, variables, words []string) string {
	t.Helper()
	for range 5 {
		if made, ok := once(t, script, variables, words); ok {
			return made
		}
	}
	return "no free port"
}

// once is one run; ok is false where the monitor port was taken.
func once(t *testing.T, script string, variables, words []string) (made string, ok bool) {
	t.Helper()
	dir := t.TempDir()
	record, log, pid := filepath.Join(dir, "argv"), filepath.Join(dir, "log"), filepath.Join(dir, "pid")
	cmd := exec.Command("/usr/bin/autossh", words...)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"PATH=/usr/bin:/bin", "HOME=" + dir, "LC_ALL=C", "AUTOSSH_PATH=" + script, "RECORD=" + record, "AUTOSSH_LOGFILE=" + log, "AUTOSSH_PIDFILE=" + pid, "AUTOSSH_POLL=1",
	}, variables...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	t.Cleanup(func() { endProcess(pid) })
	taken := func() bool {
		text, _ := os.ReadFile(log)
		return bytes.Contains(text, []byte("]: bind on "))
	}
	switch code := cmd.ProcessState.ExitCode(); {
	case code == 0 && strings.HasPrefix(out.String(), "autossh "+autossh.Version):
		return "version", true
	case code == 0: // it goes on in the background
		lab.Eventually(t, 20*time.Second, "autossh in the background to start ssh and to end", func() bool {
			_, notYet := os.Stat(record)
			_, there := os.Stat(pid)
			return notYet == nil && there != nil || taken()
		})
	case code != 1:
		t.Errorf("autossh exited with %d", code)
	}
	text, err := os.ReadFile(record)
	switch {
	case err != nil && taken():
		return "", false
	case err != nil:
		return refusal(problems.String(), log), true
	}
	argv := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	return readByssh(argv, cmd.ProcessState.ExitCode() == 0), true
}

// endProcess ends the autossh in the background that a pid file names, where a test has failed before its end.
func endProcess(pidFile string) {
	text, _ := os.ReadFile(pidFile)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
}

// refusal is how autossh says no: by its usage, by a line in its log, or, where a variable is wrong, in syslog alone.
func refusal(problems, log string) string {
	if _, after, ok := strings.Cut(problems, "/autossh: "); ok {
		first, _, _ := strings.Cut(after, "\n")
		return "usage: " + first
	}
	if strings.HasPrefix(problems, "usage: ") {
		return "usage: "
	}
	text, _ := os.ReadFile(log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if _, said, ok := strings.Cut(lines[len(lines)-1], "]: "); ok {
		return "refused: " + said
	}
	return "refused: in syslog"
}

// readByssh reads an argument vector as ssh's main does, and spells it.
func readByssh(argv []string, background bool) string {
	old := func(letter byte) (takes, known bool) { // of OpenSSH 9.2
		if letter == 'P' {
			return false, true
		}
		return sshflag.TakesValue(letter)
	}
	var p plan
	p.background = background
	flags, rest, ended, err := sshflag.Read(argv, old)
	p.flags = flags
	if err == nil && len(rest) > 0 {
		p.destination, p.command = rest[0], rest[1:]
		if !ended {
			var more []sshflag.Flag
			more, p.command, _, err = sshflag.Read(rest[1:], old)
			p.flags = append(p.flags, more...)
		}
	}
	if err != nil || p.destination == "" {
		return fmt.Sprintf("ssh says no: %q", argv)
	}
	p.takeMonitor()
	return p.spell()
}

// ours reads the vector with Parse.
func ours(t *testing.T, variables, words []string) string {
	t.Helper()
	c, err := autossh.Parse(append([]string{"autossh"}, words...), func(name string) (string, bool) {
		for _, v := range variables {
			if key, value, _ := strings.Cut(v, "="); key == name {
				return value, true
			}
		}
		return "", false
	})
	var no *autossh.Refusal
	switch {
	case errors.As(err, &no) && no.Usage:
		return "usage: " + no.Text
	case errors.As(err, &no) && len(variables) > 0 && !strings.Contains(no.Text, "port"):
		return "refused: in syslog"
	case errors.As(err, &no):
		return "refused: " + no.Text
	case c.Version:
		return "version"
	}
	p := plan{background: c.Background, destination: c.Destination, command: c.RemoteCommand, monitor: "off"}
	for _, f := range c.Flags {
		p.flags = append(p.flags, sshflag.Flag(f))
	}
	switch {
	case c.Monitor.Automatic:
		p.monitor = "automatic"
	case c.Monitor.On():
		p.monitor = spellFlags(c.Monitor.Forwards())
	}
	return p.spell()
}

// plan is what both sides make of a vector.
type plan struct {
	background  bool
	monitor     string
	flags       []sshflag.Flag
	destination string
	command     []string
}

var automatic = regexp.MustCompile(`^([0-9]+):127\.0\.0\.1:([0-9]+)$`)

// takeMonitor takes the forwards that autossh added out of the options.
func (p *plan) takeMonitor() {
	p.monitor = "off"
	var kept []sshflag.Flag
	var added []config.Flag
	for i, f := range p.flags {
		m := automatic.FindStringSubmatch(f.Value)
		adds := m != nil && (f.Letter == 'L' && len(added) == 0 || f.Letter == 'R' && len(added) == 1 && p.flags[i-1].Letter == 'L')
		if !adds {
			kept = append(kept, f)
			continue
		}
		added = append(added, config.Flag(f))
		if port, _ := strconv.Atoi(m[1]); port >= 32768 {
			p.monitor = "automatic"
		} else {
			p.monitor = spellFlags(added)
		}
	}
	p.flags = kept
}

func spellFlags(flags []config.Flag) string {
	var b strings.Builder
	for _, f := range flags {
		fmt.Fprintf(&b, " -%c%s", f.Letter, f.Value)
	}
	return b.String()
}

// spell leaves out the options that change nothing at either side, or that Parse takes for itself.
func (p *plan) spell() string {
	var b strings.Builder
	fmt.Fprintf(&b, "background %v, monitor %s, options", p.background, p.monitor)
	for _, f := range p.flags {
		if !strings.ContainsRune("12EyXYI", rune(f.Letter)) {
			fmt.Fprintf(&b, " -%c%s", f.Letter, f.Value)
		}
	}
	fmt.Fprintf(&b, ", host %s, command %q", p.destination, p.command)
	return b.String()
}
