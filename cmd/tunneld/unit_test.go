package main

import (
	"bytes"
	"os"
	"os/exec"
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
		var out, errors bytes.Buffer
		if code := run(t.Context(), args, &out, &errors); code != 0 {
			t.Fatalf("%v: exit code %d: %s", args, code, &errors)
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

// TestUnitsSatisfySystemd asks systemd itself; it need not run for that.
func TestUnitsSatisfySystemd(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skipf("needs systemd-analyze: %v", err)
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
	for _, name := range []string{"tunneld@x.service", "tunneld@x.socket"} {
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

func TestHelpFitsOnAScreen(t *testing.T) {
	var out, errors bytes.Buffer
	run(t.Context(), []string{"tunneld", "help"}, &out, &errors)
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
