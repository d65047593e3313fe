package autossh

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// parse reads a command line of words without blanks; variables stand before it as in a shell.
func parse(t *testing.T, line string) (*Command, *Refusal) {
	t.Helper()
	words := strings.Fields(line)
	variables := map[string]string{}
	for len(words) > 0 && strings.HasPrefix(words[0], "AUTOSSH_") {
		name, value, _ := strings.Cut(words[0], "=")
		variables[name], words = value, words[1:]
	}
	c, err := Parse(append([]string{"/usr/bin/autossh"}, words...), func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	})
	var refusal *Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatalf("%s: %T is no *Refusal", line, err)
	}
	return c, refusal
}

// spell writes a command in one line: the monitor, the options and the destination, the session's words.
func spell(c *Command) string {
	var b strings.Builder
	if c.Background {
		b.WriteString("background ")
	}
	switch m := c.Monitor; {
	case m.Automatic:
		b.WriteString("auto")
	case m.EchoPort != 0:
		fmt.Fprintf(&b, "%d:%d", m.Port, m.EchoPort)
	default:
		fmt.Fprint(&b, m.Port)
	}
	for i, f := range c.Flags {
		if i == c.FlagsBefore {
			b.WriteString(" " + c.Destination)
		}
		fmt.Fprintf(&b, " -%c%s", f.Letter, f.Value)
	}
	if c.FlagsBefore == len(c.Flags) {
		b.WriteString(" " + c.Destination)
	}
	for _, word := range c.RemoteCommand {
		b.WriteString(" <" + word + ">")
	}
	return b.String()
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"-M 0 host", "0 host"},
		{"-M 20000 host", "20000 host"},
		{"-M20000:7 host", "20000:7 host"},
		{"-M 0:7 host", "0 host"},
		{"-M 0x4e20 host", "20000 host"},
		{"host", "auto host"},
		{"AUTOSSH_PORT=20000 server", "20000 server"},
		{"AUTOSSH_PORT=20000 -M 0 server", "0 server"},
		{"AUTOSSH_PORT= server", "auto server"},
		{"-M64000 -q -N -D localhost:12348 sshproxy", "64000 -q -N -Dlocalhost:12348 sshproxy"},
		{"-f -M 0 -N -g -i key -L 1:host:2 user@host", "background 0 -N -g -ikey -L1:host:2 user@host"},
		{"-fNL 8808:foo:80 -M 0 host", "background 0 -N -L8808:foo:80 host"},
		{"-fL8808:foo:80 -M 0 host", "background 0 -L8808:foo:80 host"},
		{"-fM 20000 host", "background 20000 host"},
		{"-NfM20000 host", "background 20000 -N host"},
		{"-NfL 1:h:2 -M 1 -M 2 host", "background 2 -N -L1:h:2 host"},
		{"-M 0 -J jump -N host", "0 -Jjump -N host"},
		{"-M 0 -B eth0 host", "0 -Beth0 host"},
		{"-M 0 host ls -la", "0 host <ls> <-la>"},
		{"-M 0 host tail -f x", "0 host <tail> <-f> <x>"},
		{"-M 0 host -N -L 1:h:2", "0 host -N -L1:h:2"},
		{"host -M 20000 -N", "20000 host -N"},
		{"-M 0 -- host", "0 host"},
		{"-M 0 -- -M host", "0 -M host"},
		{"-M 0 -- -f host", "background 0 host"},
		{"-M 0 -- host -N", "0 host -N"},
		{"-M 0 -- -- host -N", "0 host <-N>"},
		{"-M 0 host -- -N", "0 host -N"},
		{"-M 0 host git log -- file", "0 host <git> <log> <--> <file>"},
		{"-M 0 -2 -y -E log host", "0 host"},
	} {
		got, refusal := parse(t, c.line)
		if refusal != nil {
			t.Errorf("%s: refused: %v", c.line, refusal)
		} else if spell(got) != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.line, spell(got), c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		line, text string
		usage      bool
	}{
		{"", "", true},
		{"-M 0", "", true},
		{"-M", "option requires an argument -- 'M'", true},
		{"-M 0 -L", "option requires an argument -- 'L'", true},
		{"-M 0 --help", "invalid option -- '-'", true},
		{"-h", "invalid option -- 'h'", true},
		{"-M abc host", `invalid port "abc"`, false},
		{"-M 65535 host", "monitor port (65535) out of range", false},
		{"-M -1 host", "monitor port (-1) out of range", false},
		{"-M 20000: host", `invalid echo port  ""`, false},
		{"-M 20000:0 host", `invalid echo port  "0"`, false},
		{"-M 20000:7:8 host", `invalid echo port  "7:8"`, false},
		{"AUTOSSH_POLL=0 host", `invalid poll time "0"`, false},
		{"AUTOSSH_POLL=1m -V", `invalid poll time "1m"`, false},
		{"AUTOSSH_FIRST_POLL= host", `invalid first poll time ""`, false},
		{"AUTOSSH_GATETIME=-1 host", `invalid gate time "-1"`, false},
		{"AUTOSSH_MAXSTART=-2 host", `invalid max start number "-2"`, false},
		{"AUTOSSH_MAXLIFETIME=x host", `invalid max lifetime "x"`, false},
		{"AUTOSSH_LOGLEVEL=8 host", `invalid log level "8"`, false},
		{"AUTOSSH_MESSAGE=" + strings.Repeat("x", 65) + " host", "echo message may only be 64 bytes long", false},
	} {
		if _, refusal := parse(t, c.line); refusal == nil {
			t.Errorf("%s: accepted", c.line)
		} else if refusal.Text != c.text || refusal.Usage != c.usage {
			t.Errorf("%s: %+v, want %q, usage %v", c.line, refusal, c.text, c.usage)
		}
	}
}

func TestVersionComesBeforeAllElse(t *testing.T) {
	for _, line := range []string{"-V", "-M 0 -V", "-V -Z", "host -V", "-NV"} {
		if c, refusal := parse(t, line); refusal != nil || !c.Version {
			t.Errorf("%s: %v, %v", line, c, refusal)
		}
	}
}

// What is refused, and what is left out with a warning, says what it was there for and what does that.
func TestWhatCannotBeDoneSaysWhy(t *testing.T) {
	for line, want := range map[string][2]string{
		"-M 0 -w 0:0 host": {"-w: a tun device cannot be opened", "WireGuard"}, "-M 0 -G host": {"-G: prints a configuration", "tunneld config HOST"},
		"-M 0 -O check host": {"-O: asks a running master", "ssh -O"}, "-M 0 -Q cipher": {"-Q: lists algorithms", "ssh -Q"},
	} {
		if _, refusal := parse(t, line); refusal == nil || !strings.HasPrefix(refusal.Text, want[0]) || !strings.Contains(refusal.Hint, want[1]) {
			t.Errorf("%s: %+v", line, refusal)
		}
	}
	for line, want := range map[string][2]string{
		"-M 0 -X host": {"-X: X11 is not forwarded", "ssh -X"}, "-M 0 -Y host": {"-Y: X11 is not forwarded", "ssh -Y"},
		"-M 0 -1 host": {"-1: version 1 of the SSH protocol", "version 2 is used"}, "AUTOSSH_PATH=/usr/local/bin/wrapper host": {"AUTOSSH_PATH=/usr/local/bin/wrapper is not run", "TunneldPasswordFile"},
		"AUTOSSH_NTSERVICE=yes host": {"AUTOSSH_NTSERVICE has no effect", "Cygwin"},
	} {
		c, refusal := parse(t, line)
		if refusal != nil || len(c.Flags) != 0 || len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], want[0]) || !strings.Contains(c.Warnings[0], want[1]) {
			t.Errorf("%s: %+v, %v", line, c, refusal)
		}
	}
}

func TestAutomaticPort(t *testing.T) {
	random := func(int) int { return 100 }
	if got := ChoosePort(random, func(int) bool { return false }); got != 32868 {
		t.Errorf("port %d", got)
	}
	if got := ChoosePort(random, func(port int) bool { return port == 32869 }); got != fallbackPort {
		t.Errorf("port %d where one of the pair is taken", got)
	}
	if got := ChoosePort(random, func(int) bool { return true }); got != 0 {
		t.Errorf("port %d where all are taken", got)
	}
	m := Monitor{Port: 20000}
	var words []string
	for _, f := range m.Forwards() {
		words = append(words, string(rune(f.Letter))+f.Value)
	}
	if want := []string{"L20000:127.0.0.1:20000", "R20000:127.0.0.1:20001"}; !slices.Equal(words, want) {
		t.Errorf("forwards %q, want %q", words, want)
	}
}
