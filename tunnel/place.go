package tunnel

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// place is what one connection counts on its session, from the moment at which the session is chosen for it. A planned
// replacement waits until all places are free, and so cuts neither an open on its way nor a client that still reads what
// has arrived here. A place has several users: the call that asks for the channel, the channel until the server has closed
// it, the copy to and from our side. It is free when the last of them has left.
type place struct {
	session *Session
	users   atomic.Int32
	asked   func()        // says that the server has been asked for the channel, or will not be; nil: nobody wants to know
	first   bool          // it is for the owner's own session, see Session.Reserve
	seated  bool          // it has one of session.seats; only its owner reads and changes it, and what follows
	opened  bool          // the server has opened the session that it was for
	probe   bool          // its channel is no use of the session: ChannelTimeout does not see it
	crowded bool          // the server has refused the session that it was for, because of those that there are
	waited  time.Duration // how long its owner was held for it
}

// place returns a new place on s, with one user: the caller.
func (s *Session) place() *place {
	s.channels.add()
	p := &place{session: s}
	p.users.Store(1)
	return p
}

// whenAsked returns a channel that is closed when the server has been asked for the place's channel, or when the place is free.
// It is called before anybody else has the place.
func (p *place) whenAsked() <-chan struct{} {
	asked := make(chan struct{})
	p.asked = sync.OnceFunc(func() { close(asked) })
	return asked
}

// sit takes a seat for a session, which the place's owner gives back with rise. It is false where there is none, as far as is
// known.
func (p *place) sit() bool {
	p.seated = p.seated || p.session.seats.Take()
	return p.seated
}

// rise gives the seat back, if it has one.
func (p *place) rise() {
	if p.seated {
		p.seated = false
		p.session.seats.Free(p.opened)
	}
}

// share adds a user. Where the last one has left meanwhile, because the channel was closed before it came to carry anything, the place
// is taken anew.
func (p *place) share() {
	if p.users.Add(1) == 1 {
		p.session.channels.add()
	}
}

// leave takes a user away.
func (p *place) leave() {
	if p.users.Add(-1) > 0 {
		return
	}
	p.session.channels.done()
	if p.asked != nil {
		p.asked()
	}
}

// adopt takes charge of an open channel: its requests are answered until it ends. The caller's use of the place becomes
// that of the channel's owner, and ends with Close.
func (p *place) adopt(ch ssh.Channel, kind string, requests <-chan *ssh.Request) *channel {
	c := &channel{Channel: ch, session: p.session, place: p, ended: make(chan struct{}), expired: make(chan struct{})}
	p.share()
	if !p.probe {
		c.expireWhenIdle(kind)
	}
	c.session.run(func() { discard(ch.Stderr()) }) // which the library would keep, up to the window
	c.session.run(func() {
		defer p.leave()
		defer close(c.ended)
		// sshd asks keepalive@openssh.com on a channel (ClientAliveInterval); any answer will do.
		ssh.DiscardRequests(requests)
	})
	return c
}
