package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/config"
)

func TestManualHasEveryCommandAndFlag(t *testing.T) {
	root := rootCommand()
	root.InitDefaultCompletionCmd()
	page := manual(root)
	for _, cmd := range root.Commands() {
		if !cmd.IsAvailableCommand() {
			continue
		}
		if want := `.SS "tunneld ` + roffText.Replace(cmd.Use); !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if want := `.B "` + roffText.Replace("--"+flag.Name); !flag.Hidden && flag.Name != "help" && !strings.Contains(page, want) {
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
	if err := os.WriteFile(file, []byte(manual(rootCommand())), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("needs mandoc: not installed; as root, make tools installs it")
	}
	out, _ := exec.Command("mandoc", "-T", "lint", "-W", "warning", file).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "missing date") { // a page that is made anew each time has none
			t.Error(strings.TrimSpace(line))
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
	for _, section := range []string{"EXAMPLES", "FILES", "ENVIRONMENT", "SIGNALS", "EXIT STATUS"} {
		if !strings.Contains(page, ".SH \""+section+"\"") {
			t.Errorf("no section %s", section)
		}
	}
}
