package auth

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// Unlock asks now for the passphrases that logging in to the host of o may need, its jump hosts' first, and keeps the keys: for a process
// that will soon have nobody to ask. Keys that an agent holds need none. Where identities are named, the
// default ones are left alone. What cannot be opened is passed over, as it is when a server asks for it; but where a person was
// asked and there is no other key, the error is a *fault.Error: nobody will be there to be asked again.
func (c *Credentials) Unlock(ctx context.Context, o *config.Options, log *slog.Logger) error {
	if o.Via != nil {
		if err := c.Unlock(ctx, o.Via, log); err != nil {
			return err
		}
	}
	if !o.PubkeyAuthentication {
		return nil
	}
	a, err := c.Begin(ctx, o, log)
	if err != nil {
		return err
	}
	defer a.Close()
	a.prepare()
	named := false
	for _, key := range a.keys {
		named = named || key.explicit
	}
	usable := false
	var locked *keyFailure
	for _, key := range a.keys {
		usable = usable || key.agent
		if key.agent || key.path == "" || named && !key.explicit {
			continue
		}
		a.asked = false
		_, err := a.private(key.path)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			usable = true
			continue
		case a.asked && locked == nil:
			locked = &keyFailure{key.path, err}
		}
		log.Debug("key not opened", "key", key.path, "err", err)
	}
	if locked == nil || usable || a.passwordFile() != "" {
		return nil
	}
	return &fault.Error{
		Phase: fault.PhaseAuth, Permanent: true, Where: o.User + "@" + o.Address(),
		Err: fmt.Errorf("no key to log in with: %s: %w", locked.path, locked.err), Hint: a.keyHint(*locked),
	}
}
