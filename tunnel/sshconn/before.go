package sshconn

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/hook"
)

// prepare runs TunneldBeforeConnect of this host, which has a limit of its own: its time is not that of the attempt. Attempts
// side by side wait for one run together: it may write a file that all of them read.
func (a *attempt) prepare(ctx context.Context) error {
	o := a.options
	if o.BeforeConnect == "" {
		return nil
	}
	begun := time.Now()
	a.limit.pauseForPrompt(true)
	defer a.limit.pauseForPrompt(false)
	c := hook.Command{
		Keyword: "TunneldBeforeConnect", Text: o.BeforeConnect, Shell: a.dialer.Shell, Log: a.log,
		Environ: hook.Environ("before-connect", cmp.Or(a.dialer.Name, o.Alias), o),
	}
	_, err := a.dialer.before.Do(ctx, strings.Join(append(c.Environ, c.Text), "\n"), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.Run(ctx)
	})
	if err != nil && ctx.Err() == nil {
		e := &fault.Error{
			Phase: fault.PhaseDial, Where: o.Peer(), Err: err,
			Hint: "the login is tried when it ends with 0; with `|| true` behind it, in any case",
		}
		if errors.Is(err, fs.ErrNotExist) {
			e.Phase, e.Permanent, e.Hint = fault.PhaseConfig, true, "an image without a shell runs no commands: take the keyword out, or use one that has a shell"
		}
		err = e
	}
	a.trace("before connect", begun, o.BeforeConnect, err)
	return err
}
