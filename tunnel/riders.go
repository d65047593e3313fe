package tunnel

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/tunnel/interactive"
	"github.com/tunneld/tunneld/tunnel/limit"
)

// sessionKind is the channel of a shell, a command or a subsystem (RFC 4254 §6.1).
const sessionKind = "session"

// riders are programs that ride on the tunnel: clients of its ControlPath. The zero value is ready.
type riders struct {
	counter
	limited limited

	mu    sync.Mutex   // guards all following fields
	share *limit.Share // of the process's descriptors; nil while there are no riders
	count int          // that have places of it
}

// Riders returns what programs carry that ride on the tunnel. They are use of it as connections of its forwards are.
func (t *Tunnel) Riders() Carried {
	var s ForwardStatus
	t.riders.fill(&s)
	return s.Carried
}

// ForwardsAgent reports whether the sessions on it may have a way to the user's agent, where they ask for it (ForwardAgent).
func (t *Tunnel) ForwardsAgent() bool { return agentOf(t.options.Load()) != "" }

// OpenFor asks the server for a channel on behalf of a program that rides on the tunnel. Without a connection it waits as any
// client does, up to the hold time, and it asks again where one ends before the server has answered. A session that the
// server refuses for there being too many on a connection goes to another one, see OnCrowded. A refusal is an
// *ssh.OpenChannelError; so is that of a request which is too long for a server to take it as it is meant.
func (t *Tunnel) OpenFor(ctx context.Context, kind string, payload []byte) (interactive.Channel, error) {
	if len(kind)+len(payload) > maxOpenText {
		return nil, &ssh.OpenChannelError{Reason: ssh.Prohibited, Message: fmt.Sprintf("a request of %d bytes", len(payload))}
	}
	ch, err := t.openFor(ctx, kind, payload)
	if err != nil && ctx.Err() == nil {
		t.riders.failed(err)
	}
	if err != nil {
		return nil, err
	}
	t.riders.open.Add(1)
	t.riders.total.Add(1)
	return &ridden{ch, sync.OnceFunc(func() { t.riders.open.Add(-1) })}, nil
}

// ridden is a channel that counts as use of the tunnel until it is closed.
type ridden struct {
	interactive.Channel
	leave func()
}

// maxRequestText bounds a request on a channel. A packet has 256 KiB at most (OpenSSH packet.h, x/crypto/ssh cipher.go): who
// receives a longer one ends the connection, which others ride on.
const maxRequestText = 255 << 10

// SendRequest refuses what is too long for a packet, such as a command.
func (r *ridden) SendRequest(name string, wantReply bool, payload []byte) (bool, error) {
	if len(name)+len(payload) > maxRequestText {
		return false, nil
	}
	return r.Channel.SendRequest(name, wantReply, payload)
}

// Close is the Channel's.
func (r *ridden) Close() error {
	defer r.leave()
	return r.Channel.Close()
}

func (t *Tunnel) openFor(ctx context.Context, kind string, payload []byte) (interactive.Channel, error) {
	who := caller{number: t.pool.arrive(), forward: "programs", count: &t.riders.counter}
	for {
		p, err := t.hold(ctx, who)
		if err != nil {
			return nil, err
		}
		ch, err := t.openAt(ctx, p, kind, payload)
		switch {
		case errors.Is(err, errSessionDown):
			t.pool.leave(p.session)
			who.waited += p.waited
		case !p.crowded || !isRefusal(err) || p.session.lives(ctx):
			return ch, err
		} // there may be no room because an outage has begun, in which a client is held
	}
}

// openAt opens a channel at p, or elsewhere where it is a session that has no room there.
func (t *Tunnel) openAt(ctx context.Context, p *place, kind string, payload []byte) (interactive.Channel, error) {
	if kind == sessionKind && !p.sit() {
		p.crowded = true
		p.leave()
		return t.openElsewhere(ctx, &ssh.OpenChannelError{Reason: ssh.ResourceShortage, Message: errCrowded.Error()})
	}
	ch, err := p.openKind(ctx, kind, payload)
	var refused *ssh.OpenChannelError
	if p.crowded && errors.As(err, &refused) {
		return t.openElsewhere(ctx, refused)
	}
	return ch, err
}

// Admit takes places of the process's limits for so many descriptors of a program that rides on the tunnel, until release is
// called, which it is once. It is false where the limit (RLIMIT_NOFILE) leaves none.
func (t *Tunnel) Admit(descriptors int) (release func(), ok bool) {
	r := &t.riders
	share, taken, scarce := r.join(t.limits), 0, limit.DescriptorsScarce()
	for taken < descriptors && !scarce && share.Take() {
		taken++
	}
	if taken < descriptors {
		r.leave(share, taken)
		r.limited.noteRefused(t.log, errManyFiles)
		return nil, false
	}
	return func() { r.leave(share, taken) }, true
}

// join returns the share of all riders. It is there for as long as one of them is, so that forwards have what nobody else needs.
func (r *riders) join(l *Limits) *limit.Share {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count++; r.count == 1 {
		r.share = l.connections.Join(0)
	}
	return r.share
}

// leave gives back so many places, and the share with the last rider.
func (r *riders) leave(s *limit.Share, places int) {
	for range places {
		s.Release()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count--; r.count == 0 {
		s.Leave()
	}
}
