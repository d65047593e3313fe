package prompt

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/tunneld/tunneld/config/procgroup"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// New returns whom this process can ask: the person at the terminal or behind SSH_ASKPASS; nil: nobody. What is written to
// screen waits for the answers; it may be nil.
func New(screen *Screen) sshconn.Asker {
	if p := newPerson(os.LookupEnv, os.Environ()); p.reachable() {
		p.screen = screen
		return p
	}
	return nil
}

// maxAnswer is the most that is read of an answer, in bytes (readpass.c).
const maxAnswer = 1024

// prompter is a tunnel.Asker: a program in the place of a person where SSH_ASKPASS and SSH_ASKPASS_REQUIRE say so, otherwise
// whoever sits at the terminal. It decides as read_passphrase of OpenSSH's readpass.c.
type prompter struct {
	askpass string   // the program
	allowed bool     // it may be used
	wanted  bool     // it is used even where there is a terminal
	environ []string // of the program
	tty     string   // path of the terminal
	screen  *Screen  // whose lines wait for an answer; nil: none

	turn chan struct{} // held by the question that is before the person
}

// newPerson reads the settings; environ is passed on to the askpass program.
func newPerson(getenv func(string) (string, bool), environ []string) *prompter {
	set := func(name string) string {
		value, _ := getenv(name)
		return value
	}
	p := &prompter{askpass: set("SSH_ASKPASS"), environ: environ, tty: terminalPath, turn: make(chan struct{}, 1)}
	if p.askpass == "" {
		p.askpass = "ssh-askpass"
	}
	p.allowed = set("DISPLAY") != "" || set("WAYLAND_DISPLAY") != ""
	switch strings.ToLower(set("SSH_ASKPASS_REQUIRE")) {
	case "force":
		p.wanted, p.allowed = true, true
	case "prefer":
		p.wanted = p.allowed
	case "never":
		p.allowed = false
	}
	return p
}

// reachable reports whether there is a terminal or a program at all. A service has neither, and then nothing that would need
// a person is begun.
func (p *prompter) reachable() bool {
	if p.allowed {
		if _, err := exec.LookPath(p.askpass); err == nil {
			return true
		}
	}
	tty, err := openTerminal(p.tty)
	if err != nil {
		return false
	}
	tty.Close()
	return true
}

// Secret asks for one line without echo.
func (p *prompter) Secret(ctx context.Context, prompt string) (string, error) {
	return p.question(ctx, prompt, false)
}

// Confirm asks until the answer is yes or no; also, which is a fingerprint, stands for yes, as in confirm of OpenSSH's sshconnect.c.
func (p *prompter) Confirm(ctx context.Context, prompt, also string) (bool, error) {
	choice, again := " (yes/no)? ", "Please type 'yes' or 'no': "
	if also != "" {
		choice, again = " (yes/no/[fingerprint])? ", "Please type 'yes', 'no' or the fingerprint: "
	}
	prompt += choice
	for {
		answer, err := p.question(ctx, prompt, true)
		if err != nil {
			return false, err
		}
		answer = strings.TrimSpace(answer)
		switch {
		case strings.EqualFold(answer, "yes"), also != "" && answer == also:
			return true, nil
		case strings.EqualFold(answer, "no"), answer == "":
			return false, nil
		}
		prompt = again
	}
}

// question puts one question, when its turn has come.
func (p *prompter) question(ctx context.Context, prompt string, echo bool) (string, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer p.screen.ask()()
	if !p.wanted {
		answer, err := p.atTerminal(ctx, prompt, echo)
		if !errors.Is(err, auth.ErrNobody) {
			return answer, err
		}
	}
	if !p.allowed {
		return "", auth.ErrNobody
	}
	return p.runAskpass(ctx, prompt)
}

func (p *prompter) atTerminal(ctx context.Context, prompt string, echo bool) (string, error) {
	tty, err := openTerminal(p.tty)
	if err != nil {
		return "", err
	}
	defer tty.Close()
	return readLine(ctx, tty, prompt, echo)
}

// runAskpass lets the program ask. Its failure is a person's refusal to answer.
func (p *prompter) runAskpass(ctx context.Context, prompt string) (string, error) {
	if _, err := exec.LookPath(p.askpass); err != nil {
		return "", auth.ErrNobody
	}
	output := &limitedBuffer{left: maxAnswer}
	command := exec.CommandContext(ctx, p.askpass, prompt)
	command.Env = p.environ
	words, end := p.screen.words()
	command.Stdout, command.Stderr = output, words
	command.WaitDelay = time.Second
	if tty, err := openTerminal(p.tty); err == nil {
		tty.Close() // it may ask there, which only our own group can
	} else {
		procgroup.Lead(command) // a script's window goes when nobody waits for the answer any more
		command.Cancel = func() error { return procgroup.Kill(command) }
	}
	err := command.Run()
	end()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return "", nil
	case err != nil && !errors.Is(err, exec.ErrWaitDelay): // what it has started may keep its output
		return "", err
	}
	return firstLine(output.data.Bytes()), nil
}

// firstLine returns what stands before the first line end.
func firstLine(data []byte) string {
	if i := bytes.IndexAny(data, "\r\n"); i >= 0 {
		data = data[:i]
	}
	return string(data)
}

// limitedBuffer keeps the first bytes that are written to it and drops the rest.
type limitedBuffer struct {
	data bytes.Buffer
	left int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.data.Write(p[:n])
	b.left -= n
	return len(p), nil
}
