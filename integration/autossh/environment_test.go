package autossh

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// Each variable of autossh with what it does not take: the real one says nothing on standard error and ends with 1, which leaves a
// person in the dark; we end with 1 and say which variable it is about.
func TestRefusalsOfTheEnvironmentAreSaid(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for line, want := range map[string]string{
		"AUTOSSH_POLL=0": `invalid poll time "0"`, "AUTOSSH_POLL=1m": `invalid poll time "1m"`, "AUTOSSH_POLL=": `invalid poll time ""`,
		"AUTOSSH_FIRST_POLL=0": `invalid first poll time "0"`, "AUTOSSH_FIRST_POLL=x": `invalid first poll time "x"`,
		"AUTOSSH_GATETIME=-1": `invalid gate time "-1"`, "AUTOSSH_GATETIME=": `invalid gate time ""`,
		"AUTOSSH_MAXSTART=-2": `invalid max start number "-2"`, "AUTOSSH_MAXSTART=many": `invalid max start number "many"`,
		"AUTOSSH_MAXLIFETIME=1h": `invalid max lifetime "1h"`, "AUTOSSH_LOGLEVEL=8": `invalid log level "8"`, "AUTOSSH_LOGLEVEL=debug": `invalid log level "debug"`,
		"AUTOSSH_MESSAGE=" + strings.Repeat("x", 65): "echo message may only be 64 bytes long",
		"AUTOSSH_PORT=70000":                         "monitor port (70000) out of range", "AUTOSSH_PORT=abc": `invalid port "abc"`, "AUTOSSH_PORT=20000:0": `invalid echo port  "0"`,
		"AUTOSSH_LOGFILE=/nonexistent/log": "/nonexistent/log: No such file or directory", "AUTOSSH_LOGFILE=": ": No such file or directory",
		"AUTOSSH_PIDFILE=/nonexistent/pid": `cannot open pid file "/nonexistent/pid": No such file or directory`,
	} {
		for _, flag := range []string{"", "-f "} {
			t.Run(flag+line, func(t *testing.T) {
				t.Parallel()
				options := flag + "-M 0 -N server"
				if strings.HasPrefix(line, "AUTOSSH_PORT") {
					options = flag + "-N server"
				}
				r := s.begin(t, line+" "+options)
				r.exits(t, 1)
				if text := r.file("err"); !strings.HasPrefix(text, "autossh: "+want+"\n") {
					t.Errorf("standard error has %q, want %q", text, want)
				}
				if text := r.file("out"); text != "" {
					t.Errorf("standard output has %q", text)
				}
			})
		}
	}
}

// What AUTOSSH_PATH named is not run: a wrapper that handed over a password is told what does that here, and that works. Where it
// is ssh itself in another place there is nothing to say.
func TestWrapperOfSSHIsExplained(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	wrapper := filepath.Join(dir, "ssh-with-password")
	lab.WriteFile(t, wrapper, "#!/bin/sh\n: >"+ran+"\nexec sshpass -f secret ssh \"$@\"\n")
	lab.Check(t, os.Chmod(wrapper, 0o700))
	r := s.begin(t, "AUTOSSH_PATH="+wrapper+" AUTOSSH_NTSERVICE=yes -M 0 -N -L {L}:127.0.0.1:{ECHO} server").do(t, "up")
	for _, text := range []string{r.file("err"), r.log()} {
		for _, words := range []string{"AUTOSSH_PATH=" + wrapper + " is not run", "TunneldPasswordFile", "TunneldPassphraseFile", "AUTOSSH_NTSERVICE has no effect"} {
			if !strings.Contains(text, words) {
				t.Errorf("%q is not said: %q", words, text)
			}
		}
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the wrapper was run")
	}
	r = s.begin(t, "AUTOSSH_PATH=/usr/local/bin/ssh -M 0 -N -L {L}:127.0.0.1:{ECHO} server").do(t, "up")
	if text := r.file("err"); text != "" {
		t.Errorf("of an ssh elsewhere it says %q", text)
	}
}
