package auth

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// Unlock asks now for the passphrases, and the PIN of a token, that logging in to the host of o may need, its jump hosts' first,
// and keeps them: for a process that will soon have nobody to ask. Keys that an agent holds need none. Where identities are named,
// the default ones are left alone. What cannot be opened is passed over, as it is when a server asks for it; but where a person was
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
		if key.agent || key.path == "" && !key.card || named && !key.explicit {
			continue
		}
		a.asked = false
		err := a.unlockKey(key)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			usable = true
			continue
		case a.asked && locked == nil:
			locked = &keyFailure{cmp.Or(key.path, key.name), err}
		}
		log.Debug("key not opened", "key", cmp.Or(key.path, key.name), "err", err)
	}
	if locked == nil || usable || a.passwordFile() != "" {
		return nil
	}
	return &fault.Error{
		Phase: fault.PhaseAuth, Permanent: true, Where: o.User + "@" + o.Address(),
		Err: fmt.Errorf("no key to log in with: %s: %w", locked.path, locked.err), Hint: a.keyHint(*locked),
	}
}

func (a *Attempt) unlockKey(key *candidate) error {
	if key.card {
		_, err := a.openCard()
		return err
	}
	_, err := a.private(key.path)
	return err
}
