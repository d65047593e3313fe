package tunnel

import (
	"slices"

	"github.com/tunneld/tunneld/config"
)

// Follow has connections that are made from now on take the way of o to the server: all that SameConnection compares. Those that there
// are go on, and forwards stay as they are. The next Reload ends it: its way is that of its options.
func (t *Tunnel) Follow(o *config.Options) { t.way.Store(o) }

func (t *Tunnel) wayNow() *config.Options {
	if way := t.way.Load(); way != nil {
		return way
	}
	return t.options.Load()
}

// Leads reports whether there are connections, all of which were made in the way of o.
func (t *Tunnel) Leads(o *config.Options) bool {
	sessions := t.pool.sessions()
	other := func(s *Session) bool { return s.way == nil || !s.way.SameConnection(o) }
	return len(sessions) > 0 && !slices.ContainsFunc(sessions, other)
}
