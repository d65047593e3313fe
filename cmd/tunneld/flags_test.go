package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/output"
	"github.com/tunneld/tunneld/config"
)

// Of -l and user@host, of -p and ssh://host:port, ssh takes the one that was typed first.
func TestTheFirstOfFlagAndDestinationWins(t *testing.T) {
	for _, c := range []struct{ typed, want string }{
		{"-l alice bob@host", "user alice"},
		{"bob@host -l alice", "user bob"},
		{"-p 5 ssh://host:7", "port 5"},
		{"ssh://host:7 -p 5", "port 7"},
		{"-NTvl alice host", "user alice"},
		{"host -lalice -p2222", "port 2222"},
	} {
		var out, problems bytes.Buffer
		args := append([]string{"tunneld", "config", "-F", "none"}, strings.Fields(c.typed)...)
		if code := run(t.Context(), args, &out, &problems); code != exit.OK {
			t.Errorf("%s: exit %d: %s", c.typed, code, &problems)
		}
		if lines := strings.Split(out.String(), "\n"); !slices.Contains(lines, c.want) {
			t.Errorf("%s: no line %q in\n%s", c.typed, c.want, &out)
		}
	}
}

// A flag of ssh that has no meaning here is refused with why, and with what to type.
func TestFlagsOfSSHWithoutMeaningSayWhatToType(t *testing.T) {
	for _, c := range []struct{ typed, want string }{
		{"up -W db:22 host", "ssh -W"},
		{"up -w 0:0 host", "-D 1080"},
		{"up -X host -D 0", "ssh -X"},
		{"up -Y host -D 0", "ssh -Y"},
		{"up host -s", "ssh -s"},
		{"up -O check host", "tunneld status"},
		{"up -Q cipher", "ssh -Q"},
		{"up -e none host", "leave it out"},
		{"up -G host", "tunneld config"},
		{"check -W db:22 host", "ssh -W"},
		{"explain -X host", "ssh -X"},
	} {
		var out, problems bytes.Buffer
		code := run(t.Context(), append([]string{"tunneld"}, strings.Fields(c.typed)...), &out, &problems)
		hint := problems.String()[strings.Index(problems.String(), "hint:")+1:]
		if code != exit.Usage || !strings.Contains(hint, c.want) || strings.Count(problems.String(), "\n") != 2 {
			t.Errorf("tunneld %s: exit %d, want one line, and a hint with %q:\n%s", c.typed, code, c.want, &problems)
		}
	}
}

func TestVersionIsAFlagToo(t *testing.T) {
	var want bytes.Buffer
	run(t.Context(), []string{"tunneld", "version"}, &want, &want)
	for _, word := range []string{"--version", "-V"} {
		var out bytes.Buffer
		if code := run(t.Context(), []string{"tunneld", word}, &out, &out); code != exit.OK || out.String() != want.String() {
			t.Errorf("%s: exit %d: %s", word, code, &out)
		}
	}
}

// -q and LogLevel, -E and --log-format do to what up says what they do to ssh: -q leaves what is wrong in the command line.
func TestUpSaysAsMuchAsSSH(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TUNNELD_RUNTIME_DIR", dir)
	file, taken := filepath.Join(dir, "config"), filepath.Join(dir, "taken")
	text := "Host taken quiet fatal\n HostName 127.0.0.1\n LocalForward " + taken + " a:1\nMatch originalhost quiet\n LogLevel QUIET\nMatch originalhost fatal\n LogLevel FATAL\n"
	for path, content := range map[string]string{file: text, taken: "a file"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		typed  string
		silent bool
		logged bool // to the file of -E
	}{
		{"taken", false, false},
		{"taken -q", true, false},
		{"-o LogLevel=quiet taken", true, false},
		{"quiet", true, false},
		{"fatal", false, false},
		{"quiet -v", false, false},
		{"quiet --log-level info", false, false},
		{"taken -E LOG", true, true},
		{"taken -q -E LOG", true, false},
		{"-q -L 99999:a:1 host", false, false},
		{"taken -E " + dir + "/no/where", false, false},
	} {
		log := filepath.Join(dir, "log")
		os.Remove(log)
		words := strings.Fields("tunneld up -F " + file + " " + strings.ReplaceAll(c.typed, "LOG", log))
		var problems bytes.Buffer
		if code := run(t.Context(), words, &problems, &problems); code != exit.Usage {
			t.Errorf("%s: exit %d, want %d", c.typed, code, exit.Usage)
		}
		if silent := problems.Len() == 0; silent != c.silent {
			t.Errorf("%s: said %q", c.typed, &problems)
		}
		if written, _ := os.ReadFile(log); (len(written) > 0) != c.logged {
			t.Errorf("%s: in the file: %q", c.typed, written)
		}
	}
}

// A machine that reads the log gets JSON to the end, and no number whose unit it has to guess.
func TestEveryLineIsJSON(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TUNNELD_RUNTIME_DIR", dir)
	for _, typed := range []string{"host -L " + dir + ":a:1", "host", "-L 99999:a:1 host", "host -o Foo=bar -o Bar=foo"} {
		var problems bytes.Buffer
		code := run(t.Context(), append([]string{"tunneld", "up", "-F", "none", "--log-format", "json"}, strings.Fields(typed)...), &problems, &problems)
		if code != exit.Usage || problems.Len() == 0 {
			t.Errorf("%s: exit %d", typed, code)
		}
		for line := range strings.Lines(problems.String()) {
			var record struct {
				Time, Level, Msg, Err string
				ExitCode              int `json:"exit_code"`
			}
			if err := json.Unmarshal([]byte(line), &record); err != nil || record.Time == "" || record.Level != "ERROR" || record.Err == "" || record.ExitCode != code {
				t.Errorf("%s: %v: %s", typed, err, line)
			}
		}
	}
	var out bytes.Buffer
	log := output.NewJSON(&out)
	log.Info("connecting failed", "retry_in", 1500*time.Millisecond, "took", 2*time.Second)
	if !strings.Contains(out.String(), `"retry_in_seconds":1.5,"took_seconds":2`) {
		t.Error(out.String())
	}
}

// What many type instead of what ssh takes, each with a hint that can be typed.
func TestSlipsGetAHintThatIsTrue(t *testing.T) {
	t.Setenv("TUNNELD_RUNTIME_DIR", t.TempDir())
	for _, c := range []struct{ typed, says string }{
		{"up -F none sshproxy@server:22 -D 1080", "did you mean sshproxy@server -p 22?"},
		{"up -F none server:2222", "did you mean server -p 2222?"},
		{"check -F none sshproxy@server:22 -D 1080", "did you mean sshproxy@server -p 22?"},
		{"up -F none -L 99999:a:1 host", "99999 is no port (1 to 65535); want"},
		{"up -F none -R 80:a:123456 host", "123456 is no port (1 to 65535); want"},
		{"up -F none -D 65536 host", "65536 is no port"},
		{"up -F none -oLocalForward=99999\tdb:1 host", "99999 is no port"},
		{"help foo", "unknown command \"foo\""},
		{"help statsu", "did you mean `tunneld status`?"},
		{"completion tcsh", "there is one for bash, fish, powershell, zsh"},
		{"up --lisen 127.0.0.1:1 host", "did you mean --listen?"},
		{"status --jsn", "did you mean --json?"},
		{"list db", "\"db\": `tunneld list` takes no words besides flags"},
		{"unit db", "`systemctl enable --now tunneld@db` starts it for this one"},
		{"up -F none -L nonsense host", "-L nonsense: want"},
	} {
		var problems bytes.Buffer
		words := strings.Fields("tunneld " + strings.ReplaceAll(c.typed, "\t", "\x00"))
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "\x00", " ")
		}
		if code := run(t.Context(), words, &problems, &problems); code != exit.Usage || !strings.Contains(problems.String(), c.says) {
			t.Errorf("tunneld %s: exit %d, does not say %q:\n%s", c.typed, code, c.says, &problems)
		}
	}
}

// What people set for all hosts is one line, and nothing at all where only a session would miss it.
func TestOptionsWithoutEffectAreOneLine(t *testing.T) {
	for _, c := range []struct {
		lines string
		want  []string // in the only line; none: there is no line
	}{
		{"ForwardAgent yes\nForwardX11 yes\nAddKeysToAgent yes", nil},
		{"ForwardAgent yes\nCompression yes\nTunnel yes\nGSSAPIAuthentication yes", []string{`options="Compression, GSSAPIAuthentication, Tunnel"`, "tunneld explain db"}},
		{"Compression yes", []string{"options=Compression", "tunneld explain db"}},
		{"ControlMaster ask", []string{"option=ControlMaster", "write auto or yes"}},
	} {
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte("Host db\n LocalForward 1 a:1\nHost *\n"+c.lines+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		flags := &sshFlags{given: []config.Flag{{Letter: 'F', Value: file}}}
		environment, err := config.CurrentEnvironment()
		if err != nil {
			t.Fatal(err)
		}
		p, err := planOne(t.Context(), environment, flags, "db", nil)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		logWarnings(t.Context(), slog.New(slog.NewTextHandler(&out, nil)), []tunnelPlan{p})
		if lines := strings.Count(out.String(), "\n"); lines != min(1, len(c.want)) {
			t.Errorf("%q: %d lines:\n%s", c.lines, lines, &out)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q: does not say %s:\n%s", c.lines, want, &out)
			}
		}
	}
}

func TestHelpAndCompletionOfWhatThereIs(t *testing.T) {
	for _, typed := range []string{"help", "help up", "help completion bash", "completion bash", "completion"} {
		var out bytes.Buffer
		if code := run(t.Context(), append([]string{"tunneld"}, strings.Fields(typed)...), &out, &out); code != exit.OK || out.Len() == 0 {
			t.Errorf("tunneld %s: exit %d: %s", typed, code, &out)
		}
	}
}

// check and explain take several aliases and patterns; the exit code tells of each failure.
func TestCheckAndExplainTakeSeveralAliases(t *testing.T) {
	t.Setenv("TUNNELD_RUNTIME_DIR", t.TempDir())
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("Host proxy-a proxy-b other\n HostName 127.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		typed string
		code  int
		want  []string // the heads of the parts
	}{
		{"explain proxy-a other", exit.OK, []string{"== proxy-a", "== other"}},
		{"explain proxy-*", exit.OK, []string{"== proxy-a", "== proxy-b"}},
		{"explain other", exit.OK, nil},
		{"explain nothing-*", exit.Usage, nil},
		{"explain", exit.Usage, nil},
		{"check proxy-* other", exit.Usage, []string{"== proxy-a", "== proxy-b", "== other"}}, // there is nothing to forward
		{"check other", exit.Usage, nil},
		{"check", exit.Usage, nil},
	} {
		var out, problems bytes.Buffer
		code := run(t.Context(), append(strings.Fields("tunneld "+c.typed), "-F", file), &out, &problems)
		var heads []string
		for line := range strings.Lines(out.String()) {
			if strings.HasPrefix(line, "== ") {
				heads = append(heads, strings.TrimSpace(line))
			}
		}
		if code != c.code || !slices.Equal(heads, c.want) {
			t.Errorf("%s: exit %d, heads %q; want %d, %q\n%s", c.typed, code, heads, c.code, c.want, &problems)
		}
	}
}
