package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/tunneld/tunneld/cmd/tunneld/build"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/manual"
	"github.com/tunneld/tunneld/config"
)

func TestManualHasEveryCommandAndFlag(t *testing.T) {
	root := rootCommand()
	page := manualPage(root, origin())
	for _, cmd := range root.Commands() {
		if !cmd.IsAvailableCommand() {
			continue
		}
		if want := `.SS "tunneld ` + manual.Escape(cmd.Use); !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if want := `.B "` + manual.Escape("--"+flag.Name); !flag.Hidden && flag.Name != "help" && !strings.Contains(page, want) {
				t.Errorf("%s: no --%s", cmd.Name(), flag.Name)
			}
		})
	}
}

// The keywords and their defaults are those that config has.
func TestManualHasEverySetting(t *testing.T) {
	environment, err := config.CurrentEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	o, err := config.Resolve(t.Context(), config.Request{
		Destination: "host", Flags: []config.Flag{{Letter: 'F', Value: "none"}}, Environment: environment,
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := o.Print(&out); err != nil {
		t.Fatal(err)
	}
	var have, want []string
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "tunneld") && !strings.HasPrefix(line, "tunneldevice ") { // ssh's own TunnelDevice
			want = append(want, strings.TrimSpace(line))
		}
	}
	for _, s := range config.Settings() {
		have = append(have, strings.ToLower(s.Keyword)+" "+s.Default)
	}
	for _, line := range want {
		if !strings.Contains(strings.Join(have, "\n")+"\n", line+"\n") {
			t.Errorf("not in the manual as it is printed: %s", line)
		}
	}
	if len(want) == 0 || len(have) != len(want) {
		t.Errorf("%d settings in the manual, %d printed", len(have), len(want))
	}
}

func TestManualByMandoc(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tunneld.1")
	if err := os.WriteFile(file, []byte(manualPage(rootCommand(), origin())), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("needs mandoc: not installed; as root, make tools installs it")
	}
	out, _ := exec.Command("mandoc", "-T", "lint", "-W", "warning", file).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		t.Error(strings.TrimSpace(line))
	}
}

// What man(1) shows has no warnings of the formatter, and each line fits.
func TestManualByMan(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tunneld.1")
	if err := os.WriteFile(file, []byte(manualPage(rootCommand(), origin())), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("man"); err != nil {
		t.Skip("needs man: not installed; as root, make tools installs it")
	}
	cmd := exec.Command("man", "--warnings", "-l", file)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "MANWIDTH=80", "MAN_KEEP_FORMATTING=", "HOME=" + t.TempDir()}
	var warnings bytes.Buffer
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil || warnings.Len() > 0 {
		t.Fatalf("%v: %s", err, &warnings)
	}
	if !strings.Contains(string(out), "KEYWORDS OF SSH_CONFIG") {
		t.Errorf("man shows\n%s", out)
	}
}

// Each keyword of ssh_config(5) is there, with what becomes of it.
func TestManualHasEveryKeyword(t *testing.T) {
	_, page, _ := strings.Cut(manualPage(rootCommand(), origin()), `.SH "KEYWORDS OF SSH_CONFIG"`)
	page, _, _ = strings.Cut(page, ".SH ")
	for _, k := range config.Keywords() {
		if k.Meaning == "" && !strings.Contains(page, manual.Escape(k.Name)) {
			t.Errorf("no %s", k.Name)
		}
	}
	honoured, without, _ := strings.Cut(page, ".TP")
	for keyword, part := range map[string]string{"ProxyJump": honoured, "LocalForward": honoured, "GSSAPIAuthentication": without, "LocalCommand": without} {
		if !strings.Contains(part, keyword) {
			t.Errorf("%s is not where it belongs", keyword)
		}
	}
}

func TestManualBeginsWithUpAndHasExamples(t *testing.T) {
	var out bytes.Buffer
	if code := run(t.Context(), []string{"tunneld", "man"}, &out, &out); code != exit.OK {
		t.Fatal(&out)
	}
	page := out.String()
	_, commands, _ := strings.Cut(page, ".SH \"COMMANDS\"\n")
	if !strings.HasPrefix(commands, ".SS \"tunneld up ") {
		t.Errorf("the first command is %.40q", commands)
	}
	_, synopsis, _ := strings.Cut(page, ".SH \"SYNOPSIS\"\n.nf\n")
	if !strings.HasPrefix(synopsis, ".BR \"tunneld up\"") {
		t.Errorf("the synopsis begins with %.40q", synopsis)
	}
	if head := `.TH "TUNNELD" "1" "20`; !strings.HasPrefix(page, head) {
		t.Errorf("it begins with %.60q: no date", page)
	}
	for _, section := range []string{"EXAMPLES", "KEYWORDS OF SSH_CONFIG", "FILES", "ENVIRONMENT", "SIGNALS", "EXIT STATUS"} {
		if !strings.Contains(page, ".SH \""+section+"\"") {
			t.Errorf("no section %s", section)
		}
	}
}

// The page that stands in the source, for packages and for who reads it there, is the one that the program prints.
func TestManualIsCommitted(t *testing.T) {
	committed, err := os.ReadFile("../../deploy/man/tunneld.1")
	if err != nil {
		t.Fatal(err)
	}
	if page := manualPage(rootCommand(), build.Origin{}); page != string(committed) {
		t.Error("deploy/man/tunneld.1 is not what `tunneld man` prints: type `make manual`, and commit it")
	}
}
