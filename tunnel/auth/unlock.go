package auth

import (
	"context"
	"log/slog"

	"github.com/tunneld/tunneld/config"
)

// Unlock asks now for the passphrases that logging in to the host of o may need, its jump hosts' first, and keeps the keys: for a process
// that will soon have nobody to ask. Keys that an agent holds need none. Where identities are named, the
// default ones are left alone. What cannot be opened is passed over, as it is when a server asks for it.
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
	for _, key := range a.keys {
		if key.agent || key.path == "" || named && !key.explicit {
			continue
		}
		if _, err := a.private(key.path); err != nil {
			log.Debug("key not opened", "key", key.path, "err", err)
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}
