package autossh

import (
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// What people look for in what ssh says, and whether it can be found with us: the line that they see without any option, and with -v.
var grepped = []struct {
	words     string // a regular expression
	verbosely bool
	missing   string // why it is not said here; empty: it is
}{
	{`(?m)^Allocated port \d+ for remote forward to 127\.0\.0\.1:\d+\r?$`, false, ""},
	{`(?m)^channel \d+: open failed: connect failed: Connection refused\r?$`, false, ""},
	{`(?m)^Warning: remote port forwarding failed for listen port \d+\r?$`, false, ""},
	{`(?m)^Authenticated to 127\.0\.0\.1 \(\[127\.0\.0\.1\]:\d+\) using "publickey"\.\r?$`, true, ""},
	{`(?m)^debug1: Connecting to 127\.0\.0\.1 \[127\.0\.0\.1\] port \d+\.\r?$`, true, ""},
	{`(?m)^debug1: Connection established\.\r?$`, true, ""},
	{`(?m)^debug1: Server host key: ssh-ed25519 SHA256:\S+\r?$`, true, ""},
	{`(?m)^debug1: Offering public key: \S+id_ed25519 ED25519 SHA256:\S+`, true, ""},
	{`(?m)^debug1: Server accepts key: \S+id_ed25519 ED25519 SHA256:\S+`, true, ""},
	{`(?m)^debug1: Local forwarding listening on 127\.0\.0\.1 port \d+\.\r?$`, true, ""},
	{`(?m)^debug1: remote forward success for: listen \d+, connect 127\.0\.0\.1:\d+\r?$`, true, ""},
	{`(?m)^debug1: Entering interactive session\.\r?$`, true, ""},
	{`(?m)^debug1: Reading configuration data `, true, "tunneld explain HOST says what comes from where"},
	{`(?m)^debug1: Local connections to LOCALHOST:\d+ forwarded to remote address `, true, "the forwards stand in `tunneld status`"},
	{`(?m)^Transferred: sent \d+, received \d+ bytes`, true, "the bytes of each forward stand in `tunneld status`"},
}

// Where they are found: standard error, and with -E a file.
func TestWhatPeopleLookForInSSHsWords(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "ssh", "autossh")
	s := newStage(t)
	for name, c := range map[string]struct {
		flags, file string
		verbosely   bool
	}{
		"by itself": {"", "err", false}, "-v": {"-v", "err", true}, "-E": {"-E {DIR}/ssh.log", "ssh.log", false}, "-v -E": {"-vE {DIR}/ssh.log", "ssh.log", true},
		"-q": {"-q", "err", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := map[string]string{}
			var mu sync.Mutex
			var both sync.WaitGroup
			for _, whose := range []string{"theirs", "ours"} {
				line := c.flags + " AUTOSSH_GATETIME=0 -M 0 -N " + forward + " -L {M}:127.0.0.1:{DEAD} -R 0:127.0.0.1:{ECHO} -R {R}:127.0.0.1:{ECHO} -R {TAKEN}:127.0.0.1:{ECHO} server"
				r := s.run(t, scene{line: line}, whose)
				lab.Check(t, r.start())
				t.Cleanup(r.clean)
				both.Go(func() {
					text := r.converse(c.file, name == "-q")
					mu.Lock()
					defer mu.Unlock()
					found[whose] = text
				})
			}
			both.Wait()
			for _, g := range grepped {
				expected := c.verbosely || !g.verbosely && name != "-q"
				words := regexp.MustCompile(g.words)
				theirs, ours := words.MatchString(found["theirs"]), words.MatchString(found["ours"])
				if theirs != expected {
					t.Errorf("ssh says %s: %v\n%s", g.words, theirs, found["theirs"])
				}
				if ours != (expected && g.missing == "") {
					t.Errorf("we say %s: %v\n%s", g.words, ours, found["ours"])
				}
			}
			if name == "-q" && found["ours"] != "" {
				t.Errorf("in spite of -q we say %s", found["ours"])
			}
		})
	}
}

// converse uses the forwards, ends it, and returns what a file has.
func (r *run) converse(file string, quiet bool) string {
	if trouble := r.step("up"); trouble != "" {
		return trouble
	}
	refused := func() bool {
		conn, err := net.Dial("tcp", lab.Loopback(r.ports["M"]))
		if err != nil {
			return false
		}
		defer conn.Close()
		return lab.ReadToEnd(conn, time.Second) == nil
	}
	lab.Within(runPatience, refused)
	if !quiet {
		lab.Within(runPatience, func() bool {
			text := r.file(file)
			return !slices.ContainsFunc([]string{"Allocated port", "open failed", "forwarding failed"}, func(words string) bool { return !strings.Contains(text, words) })
		})
	}
	r.step("TERM")
	r.step("end")
	return r.file(file)
}

// With -y they go to syslog, by ssh's name (with its path, where autossh has started it), and not to standard error.
func TestWhatPeopleLookForInSyslog(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "ssh", "autossh")
	s, h := newStage(t), newLogHost(t)
	h.start()
	for _, whose := range []string{"theirs", "ours"} {
		r := h.run(s, "AUTOSSH_GATETIME=0 -M 0 -yv -N "+forward+" -R 0:127.0.0.1:{ECHO} server", whose)
		said := len(h.messages())
		lab.Check(t, r.start())
		t.Cleanup(r.clean)
		r.do(t, "up")
		for _, want := range []string{`user\.info \S*ssh\[\d+\]: Allocated port \d+ for remote forward to 127\.0\.0\.1`, `user\.debug \S*ssh\[\d+\]: debug1: Connection established\.`} {
			words := regexp.MustCompile(want)
			lab.Eventually(t, lab.Patience, whose+" in syslog: "+want, func() bool { return words.MatchString(h.messages()[said:]) })
		}
		if text := r.file("err"); strings.Contains(text, "Allocated") {
			t.Errorf("%s: standard error has %s", whose, text)
		}
		r.do(t, "TERM end")
	}
}
