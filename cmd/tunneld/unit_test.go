package main

import (
	"bytes"
	"cmp"
	"errors"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDeployHasTheUnitsThatArePrinted(t *testing.T) {
	for path, text := range map[string]string{
		"../../deploy/systemd/tunneld@.service":      systemUnit,
		"../../deploy/systemd/user/tunneld@.service": userUnit,
	} {
		deployed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(deployed) != text {
			t.Errorf("%s differs from the embedded unit: copy it over", path)
		}
	}
}

func TestUnitNamesThisProgram(t *testing.T) {
	for _, args := range [][]string{{"tunneld", "unit"}, {"tunneld", "unit", "--user"}} {
		var out, notes bytes.Buffer
		if code := run(t.Context(), args, &out, &notes); code != 0 {
			t.Fatalf("%v: exit code %d: %s", args, code, &notes)
		}
		own, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"ExecStart=" + own + " up %i", "ExecReload=" + own + " reload %i", "Type=notify", "RestartPreventExitStatus=2 3"} {
			if !strings.Contains(out.String(), "\n"+line+"\n") {
				t.Errorf("%v: no line %q in\n%s", args, line, &out)
			}
		}
	}
}

// An agent of launchd names this program and the alias; what cannot be meant is refused.
func TestAgentOfLaunchd(t *testing.T) {
	t.Setenv("HOME", "/Users/bob")
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		words []string
		code  int
		want  string
	}{
		{[]string{"--launchd", "db"}, exit.OK, "<string>" + own + "</string>\n\t\t<string>up</string>\n\t\t<string>--</string>\n\t\t<string>db</string>\n"},
		{[]string{"--launchd", ""}, exit.Usage, ""},
		{[]string{"--launchd", "db", "web"}, exit.Usage, ""},
		{[]string{"--launchd", "db", "--user"}, exit.Usage, ""},
		{[]string{"--launchd", "db", "--run-as", "bob"}, exit.Usage, ""},
	} {
		var out, notes bytes.Buffer
		code := run(t.Context(), append([]string{"tunneld", "unit"}, c.words...), &out, &notes)
		if code != c.code || !strings.Contains(out.String(), c.want) || c.want == "" && out.Len() > 0 {
			t.Errorf("%q: exit code %d, %s\n%s", c.words, code, &notes, &out)
		}
	}
}

// The unit has a line that runs as root: who may replace the program there is root from the next start on.
func TestUnitWarnsOfAProgramThatOthersCanReplace(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to have files of somebody else")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "bin", "tunneld")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		place string
		owner int
		mode  os.FileMode
		want  string
	}{
		{"all is root's", path, 0, 0o755, ""},
		{"the file is another's", path, 12345, 0o755, path},
		{"others may write to the file", path, 0, 0o757, path},
		{"the directory is another's", filepath.Dir(path), 12345, 0o755, filepath.Dir(path)},
		{"the directory above is another's", dir, 12345, 0o755, dir},
		{"others may make files in the directory", filepath.Dir(path), 0, 0o777, filepath.Dir(path)},
		{"others may not remove files in the directory", filepath.Dir(path), 0, 0o777 | os.ModeSticky, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer os.Chmod(c.place, 0o755)
			defer os.Chown(c.place, 0, 0)
			if err := errors.Join(os.Chown(c.place, c.owner, 0), os.Chmod(c.place, c.mode)); err != nil {
				t.Fatal(err)
			}
			if got := replaceable(path); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestUnitsSatisfySystemd asks systemd itself; it need not run for that.
func TestUnitsSatisfySystemd(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("needs systemd-analyze: not installed; as root, make tools installs it")
	}
	dir := t.TempDir()
	socket, err := os.ReadFile("../../deploy/systemd/tunneld@.socket")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	service := strings.ReplaceAll(systemUnit, unitBinary, own)
	for name, text := range map[string]string{"tunneld@.service": service, "tunneld@.socket": string(socket)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var dropIn bytes.Buffer
	if err := printRunAs(&dropIn, io.Discard, "root", "other"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "tunneld@other.service.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tunneld@other.service.d", "run-as.conf"), dropIn.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tunneld@x.service", "tunneld@other.service", "tunneld@x.socket"} {
		if out, err := exec.Command("systemd-analyze", "verify", filepath.Join(dir, name)).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("verify of %s: %v: %s", name, err, out)
		}
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", filepath.Join(dir, "tunneld@x.service")).CombinedOutput()
	match := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
	if match == nil {
		t.Fatalf("security: %v: %s", err, out)
	}
	if level, _ := strconv.ParseFloat(string(match[1]), 64); level > 1.5 {
		t.Errorf("exposure level %s, want at most 1.5", match[1])
	}
}

// An instance with User= alone was given the directories of all others, with their keys.
func TestRunAsHasDirectoriesOfItsOwn(t *testing.T) {
	for _, c := range []struct {
		user, alias string
		want        []string
	}{
		{"root", "db", []string{"User=root", "Environment=HOME=/root", "ProtectHome=tmpfs", "BindPaths=-/root/.ssh"}},
		{"0", "", []string{"User=root", "Environment=HOME=/root"}},
		{"nobody-knows-me", "bob@host", []string{"User=nobody-knows-me", "Environment=HOME=/home/nobody-knows-me", "BindPaths=-/home/nobody-knows-me/.ssh"}},
	} {
		var out, notes bytes.Buffer
		words := []string{"tunneld", "unit", "--run-as", c.user}
		if c.alias != "" {
			words = append(words, c.alias)
		}
		if code := run(t.Context(), words, &out, &notes); code != 0 {
			t.Fatalf("%v: exit code %d: %s", words, code, &notes)
		}
		if _, err := user.Lookup(c.want[0][len("User="):]); (err != nil) != strings.Contains(notes.String(), "is taken for the home directory") {
			t.Errorf("%v notes %q", words, &notes)
		}
		for _, line := range append(c.want,
			"DynamicUser=no", "RemoveIPC=no",
			// an empty line resets the mode as well
			"StateDirectory=\nStateDirectory=tunneld@%i\nStateDirectoryMode=0700", "RuntimeDirectory=\nRuntimeDirectory=tunneld@%i\nRuntimeDirectoryMode=0700",
			"#   /etc/systemd/system/tunneld@"+cmp.Or(c.alias, "ALIAS")+".service.d/run-as.conf") {
			if !strings.Contains(out.String(), "\n"+line+"\n") {
				t.Errorf("%v: no line %q in\n%s", words, line, &out)
			}
		}
	}
	for _, words := range [][]string{{"--run-as", ""}, {"--run-as", "a\nUser=root"}, {"--run-as", "root", "../x"}, {"--run-as", "root", "--user"}, {"alias"}} {
		var out, notes bytes.Buffer
		if code := run(t.Context(), append([]string{"tunneld", "unit"}, words...), &out, &notes); code != exit.Usage || out.Len() > 0 {
			t.Errorf("%q: exit code %d, want %d:\n%s%s", words, code, exit.Usage, &out, &notes)
		}
	}
}

func TestUnitWordsAreQuoted(t *testing.T) {
	for word, want := range map[string]string{"/home/a": "/home/a", "/home/a b": `"/home/a b"`, "50%": "50%%", `a"b`: `"a\"b"`} {
		if got := unitWord(word); got != want {
			t.Errorf("%q becomes %s, want %s", word, got, want)
		}
	}
	if got := homeAccess("/var/backups"); got != "ReadWritePaths=-/var/backups/.ssh" {
		t.Errorf("a home that ProtectHome does not hide: %s", got)
	}
}

func TestHelpFitsOnAScreen(t *testing.T) {
	var out, notes bytes.Buffer
	run(t.Context(), []string{"tunneld", "help"}, &out, &notes)
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	if len(lines) > 24 {
		t.Errorf("%d lines, want at most 24:\n%s", len(lines), &out)
	}
	for _, line := range lines {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("longer than 80 columns: %q", line)
		}
	}
}
