package prompt

import (
	"context"
	"os/exec"
	"slices"
	"time"

	"github.com/tunneld/tunneld/config/procgroup"
)

// Notify implements auth.Notifier: whoever does not see the log on a terminal is told by the askpass program, in a window without an
// answer, as notify_start of OpenSSH's readpass.c.
func (p *prompter) Notify(ctx context.Context, text string) (done func()) {
	if !p.allowed || !p.wanted && p.screen != nil && p.screen.terminal {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	command := exec.CommandContext(ctx, p.askpass, text)
	command.Env = append(slices.Clip(p.environ), "SSH_ASKPASS_PROMPT=none")
	command.WaitDelay = time.Second
	procgroup.Lead(command)
	command.Cancel = func() error { return procgroup.Kill(command) }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		command.Run() // a program that is missing, or that somebody closes, is no loss: the log says the same
	}()
	return func() {
		cancel()
		<-ended
	}
}
