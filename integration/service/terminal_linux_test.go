package service

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/integration/lab"
)

// onTerminal starts tunneld before a person.
func onTerminal(t *testing.T, l *lab.Lab, words ...string) *lab.Terminal {
	t.Helper()
	cmd := exec.Command(l.Account.Binary(), words...)
	cmd.Env, cmd.Dir = append(l.Account.Environment(), "TERM=dumb"), l.Account.Dir
	m := lab.NewTerminal(t, 100, 40, nil)
	m.Start(cmd)
	return m
}

// What has to be asked is asked before the shell goes on: of a server that is down, too, since nobody can be asked later.
func TestBackgroundAsksBefore(t *testing.T) {
	t.Parallel()
	for _, up := range []bool{true, false} {
		t.Run(fmt.Sprint("server is up: ", up), func(t *testing.T) {
			t.Parallel()
			l, one, _ := two(t)
			l.Account.Encrypt()
			if !up {
				l.Relay.Shut()
			}
			m := onTerminal(t, l, "up", "-f", "-F", l.Account.Path("config"), "one")
			m.Wait("Enter passphrase for key")
			m.Type(lab.Secret + "\n")
			if code := m.End(); code != 0 {
				t.Fatalf("exit code %d", code)
			}
			m.Wait("in the background")
			processOf(t, strings.ReplaceAll(m.Shown(), "\r", ""))
			if !up {
				l.Relay.Open()
			}
			lab.Check(t, one.Works(lab.Patience))
			shown := m.Shown()
			l.Account.Expect(0, "one: reconnected", "reconnect", "one")
			if m.Shown() != shown {
				t.Errorf("the terminal shows more: %q", m.Shown())
			}
			l.Account.Expect(0, "one: stopped", "down", "one")
		})
	}
}

// A question stands alone on the screen until it is answered, whatever the log has to say meanwhile; a pasted fingerprint is a yes.
func TestLogWaitsForTheAnswer(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Account.Forget()
	l.Account.Host("one", l.Relay.Port, "LocalForward "+one.Address+" "+targetOf(one), "StrictHostKeyChecking ask", "UserKnownHostsFile "+l.Account.Path("asked"))
	l.Account.Host("away", lab.FreePort(t), "DynamicForward "+lab.Loopback(lab.FreePort(t)))
	const question = "Are you sure you want to continue connecting (yes/no/[fingerprint])? "
	m := onTerminal(t, l, "up", "-F", l.Account.Path("config"), "one", "away")
	m.Wait(question)
	lab.Eventually(t, lab.Patience, "attempts fail meanwhile", func() bool {
		text, _ := l.Account.Ask("log", "away")
		return strings.Count(text, "connecting failed") >= 5
	})
	if !strings.HasSuffix(m.Shown(), question) {
		t.Errorf("the question is followed by something: %q", m.Shown())
	}
	m.Type("SHA256:something\n")
	m.Wait("Please type 'yes', 'no' or the fingerprint: ")
	m.Type(ssh.FingerprintSHA256(l.Server.HostKey) + "\n")
	m.Wait("connected")
	lab.Check(t, one.Works(lab.Patience))
	if _, after, _ := strings.Cut(m.Shown(), question); !strings.Contains(after, "attempt=5") {
		t.Errorf("what was held does not come out: %q", after)
	}
	l.Account.Expect(0, "stopped", "down", "*")
	if code := m.End(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Ctrl-C at a question ends it, and the last words begin on a line of their own.
func TestQuestionThatIsInterrupted(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Account.Forget()
	l.Account.Host("one", l.Relay.Port, "LocalForward "+one.Address+" "+targetOf(one), "StrictHostKeyChecking ask", "UserKnownHostsFile "+l.Account.Path("asked"))
	for _, flags := range [][]string{nil, {"-f"}} {
		m := onTerminal(t, l, append([]string{"up", "-F", l.Account.Path("config"), "one"}, flags...)...)
		m.Wait("(yes/no/[fingerprint])? ")
		m.Type("\x03")
		code := m.End()
		if want := len(flags); code != want {
			t.Errorf("%v: exit code %d, want %d", flags, code, want)
		}
		_, after, _ := strings.Cut(m.Shown(), "(yes/no/[fingerprint])? ")
		if after = strings.TrimPrefix(after, "^C"); after != "" && !strings.HasPrefix(after, "\r\n") {
			t.Errorf("%v: the question is followed by %q", flags, after)
		}
	}
}
