package interactive

import (
	"context"
	"strings"

	"golang.org/x/crypto/ssh"
)

// begin asks for everything in the order of OpenSSH, and returns when the shell or command has been started. It does not
// wait for a server that does not answer any longer than ctx and the connection last.
func (s *session) begin(ctx context.Context) error {
	answered := make(chan error, 1)
	go func() { answered <- s.ask(ctx) }()
	select {
	case err := <-answered:
		return err
	case <-s.channel.Lost():
		return lost(s.channel.Err())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *session) ask(ctx context.Context) error {
	if s.request.Agent {
		s.channel.SendRequest("auth-agent-req@openssh.com", false, nil)
	}
	if s.request.Terminal {
		if err := s.askTerminal(ctx); err != nil {
			return err
		}
	}
	for _, pair := range s.request.Env {
		name, value, _ := strings.Cut(pair, "=")
		s.channel.SendRequest("env", false, ssh.Marshal(struct{ Name, Value string }{name, value}))
	}
	kind, payload := "exec", ssh.Marshal(struct{ Command string }{s.request.Command})
	switch {
	case s.request.Subsystem:
		kind = "subsystem"
	case s.request.Command == "":
		kind, payload = "shell", nil
	}
	started, err := s.channel.SendRequest(kind, true, payload)
	if err == nil && started {
		return nil
	}
	if err != nil {
		return s.closedEarly(ctx)
	}
	return &RefusedError{kind}
}

// closedEarly says why there is no answer: the server closed the channel, or the connection ended.
func (s *session) closedEarly(ctx context.Context) error {
	if s.channel.Lives(ctx) {
		return ErrNoStatus
	}
	return lost(s.channel.Err())
}

// askTerminal asks for a pseudo terminal (RFC 4254 §6.2). A session goes on without it.
func (s *session) askTerminal(ctx context.Context) error {
	s.size = s.tty.size()
	given, err := s.channel.SendRequest("pty-req", true, ssh.Marshal(struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}{s.request.Term, s.size.Columns, s.size.Rows, s.size.Width, s.size.Height, string(s.tty.modes())}))
	switch {
	case err != nil:
		return s.closedEarly(ctx)
	case given:
		s.pty.Store(true)
	case s.request.Refused != nil:
		s.request.Refused()
	default:
		s.say("PTY allocation request failed\r\n")
	}
	return nil
}
