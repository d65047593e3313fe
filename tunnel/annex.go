package tunnel

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/interactive"
)

// maxAnnexes bounds the connections that are made because a server allows so many sessions on each (MaxSessions in
// sshd_config(5), 10 by default).
const maxAnnexes = 31

// annexes are connections that carry sessions alone, which had no room on those that the monitor keeps. The zero value is
// ready.
type annexes struct {
	more   func(context.Context) (*Session, error) // makes one; nil: none are made
	making sync.Mutex                              // held while one is made, so that a hundred sessions at once do not make a hundred

	mu     sync.Mutex // guards all following fields
	live   []annexed
	closed bool
}

// annexed is one of them, with the options that it was made by.
type annexed struct {
	*Session
	options *config.Options
}

// OnCrowded has more called when a session finds no room on the connections that there are. more returns a new connection, which
// its maker watches, and closes when it has carried no session for a while. OnCrowded is called before Listen.
func (t *Tunnel) OnCrowded(more func(context.Context) (*Session, error)) { t.annexes.more = more }

// ForwardsAgent reports whether the sessions on it may have a way to the user's agent, where they ask for it (ForwardAgent).
func (t *Tunnel) ForwardsAgent() bool { return agentOf(t.options.Load()) != "" }

var errCrowded = errors.New("no room for another session on any connection")

// openElsewhere opens a session on a connection that has room, if need be on a new one. refusal is what the server said on
// the one that has none.
func (t *Tunnel) openElsewhere(ctx context.Context, refusal error) (interactive.Channel, error) {
	for range maxAnnexes + 1 {
		p, err := t.annex(ctx)
		if err != nil {
			t.log.Debug("no further connection for a session", "err", err)
			return nil, refusal
		}
		ch, err := p.openSession(ctx)
		var refused *ssh.OpenChannelError
		switch {
		case errors.Is(err, errSessionDown):
			continue
		case errors.As(err, &refused) && p.session.noteCrowded():
			continue
		}
		return ch, err
	}
	return nil, refusal
}

// annex returns a place on a connection that has room for another session.
func (t *Tunnel) annex(ctx context.Context) (*place, error) {
	a := &t.annexes
	a.making.Lock()
	defer a.making.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, s := range t.takers() {
		if s.hasRoom() {
			return s.place(), nil
		}
	}
	if a.more == nil || len(a.sessions()) >= maxAnnexes {
		return nil, errCrowded
	}
	options := t.options.Load()
	s, err := a.more(ctx)
	if err != nil {
		return nil, err
	}
	p := s.place()
	if !a.add(annexed{s, options}) {
		p.leave()
		s.Close()
		return nil, errStopping
	}
	return p, nil
}

// takers returns the connections that new sessions may go to. A connection that leads to where the tunnel led before a reload
// keeps its sessions and takes no other.
func (t *Tunnel) takers() []*Session {
	sessions, now := t.pool.sessions(), t.options.Load()
	for _, s := range t.annexes.sessions() {
		if s.options.SameConnection(now) {
			sessions = append(sessions, s.Session)
		}
	}
	return sessions
}

// add adds s. It is false after close.
func (a *annexes) add(s annexed) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.live = append(a.live, s)
	return true
}

// sessions returns those that live.
func (a *annexes) sessions() []annexed {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.live = slices.DeleteFunc(a.live, func(s annexed) bool { return s.broken() })
	return slices.Clone(a.live)
}

// close returns those that live, for the last time: no more are made.
func (a *annexes) close() (live []*Session) {
	for _, s := range a.sessions() {
		live = append(live, s.Session)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed, a.live = true, nil
	return live
}

// sessionKind is the channel of a shell, a command or a subsystem (RFC 4254 §6.1).
const sessionKind = "session"

// OpenFor asks the server for a channel on behalf of a program that rides on the tunnel. Without a connection it waits as any
// client does, up to the hold time, and it asks again where one ends before the server has answered. A session that the
// server refuses for there being too many on a connection goes to another one, see OnCrowded. A refusal is an
// *ssh.OpenChannelError.
func (t *Tunnel) OpenFor(ctx context.Context, kind string, payload []byte) (interactive.Channel, error) {
	who := caller{number: t.pool.arrive(), forward: "programs", count: new(counter)}
	for {
		p, err := t.hold(ctx, who)
		if err != nil {
			return nil, err
		}
		if kind == sessionKind {
			p = t.roomier(p)
		}
		ch, err := p.openKind(ctx, kind, payload)
		var refused *ssh.OpenChannelError
		switch {
		case errors.Is(err, errSessionDown):
			t.pool.leave(p.session)
			continue
		case kind == sessionKind && errors.As(err, &refused) && p.session.noteCrowded():
			return t.openElsewhere(ctx, err)
		}
		return ch, err
	}
}

// noteCrowded notes how many sessions the server allows on s. It is false where there are none: then it refuses for another
// reason.
func (s *Session) noteCrowded() bool {
	open := s.commands.Load()
	if open > 0 {
		s.most.Store(open)
	}
	return open > 0
}

// hasRoom reports whether s may take another session, as far as is known.
func (s *Session) hasRoom() bool {
	most := s.most.Load()
	return !s.broken() && (most == 0 || s.commands.Load() < most)
}

// roomier returns p, or a place on another connection where that of p is known to be full.
func (t *Tunnel) roomier(p *place) *place {
	if p.session.hasRoom() {
		return p
	}
	for _, s := range t.takers() {
		if s.hasRoom() {
			p.leave()
			return s.place()
		}
	}
	return p
}
