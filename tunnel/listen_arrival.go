package tunnel

import (
	"context"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// maxForwarded bounds the connections of one session that the server has opened and we have not yet answered.
const maxForwarded = 4096

// arrival is a connection that the server opened. It has its place until it is answered.
type arrival struct {
	ssh.NewChannel
	place    *place
	answered func()
}

// accept returns the open channel, whose owner is the caller.
func (a arrival) accept() (*channel, error) {
	defer a.answered()
	raw, requests, err := a.NewChannel.Accept()
	if err != nil {
		return nil, err
	}
	a.place.share()
	return a.place.adopt(raw, a.ChannelType(), requests), nil
}

// reject refuses it, without waiting until the server has read that.
func (a arrival) reject(reason ssh.RejectionReason, text string) {
	a.answered()
	a.place.session.reject(a.NewChannel, reason, text)
}

// forwarded finds out for which listener the server opened c and hands it over. It leaves the place in the end.
func (s *Session) forwarded(ctx context.Context, raw ssh.NewChannel, place *place) {
	defer place.leave()
	listener := listenerName(raw)
	if !s.arrived.Take(listener) {
		s.reject(raw, ssh.ResourceShortage, "too many connections at once")
		return
	}
	c := arrival{raw, place, sync.OnceFunc(func() { s.arrived.Release(listener) })}
	l := s.listenerOf(ctx, c)
	if l == nil {
		c.reject(ssh.Prohibited, "no such forward")
		return
	}
	l.accept(ctx, c)
}

// listenerOf matches by address and port, and by the port alone where that is unambiguous, since some servers spell the address
// differently. While the server has yet to tell the port of some listener, a connection that may be for it waits.
func (s *Session) listenerOf(ctx context.Context, c ssh.NewChannel) *remoteListen {
	if host, ok := portless(c); ok {
		return s.portlessListener(ctx, host)
	}
	exact, loose, ok := matchers(c)
	if !ok {
		return nil
	}
	for {
		found, unknown := s.listens.matching(exact)
		if len(found) == 0 {
			if found, _ = s.listens.matching(loose); len(found) > 1 {
				found = nil
			}
		}
		if len(found) > 0 {
			return found[0]
		}
		if len(unknown) == 0 {
			return nil
		}
		select {
		case <-unknown[0].known:
		case <-ctx.Done():
			return nil
		}
	}
}

// listenerName returns the address and port of a listener, or its path.
func listenerName(c ssh.NewChannel) string {
	var m struct {
		Address string
		Rest    []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(c.ExtraData(), &m) != nil {
		return ""
	}
	return m.Address + string(m.Rest[:min(len(m.Rest), 4)])
}

func matchers(c ssh.NewChannel) (exact, loose func(*remoteListen) bool, ok bool) {
	if c.ChannelType() == "forwarded-streamlocal@openssh.com" {
		var m forwardedStreamLocal
		if ssh.Unmarshal(c.ExtraData(), &m) != nil {
			return nil, nil, false
		}
		exact = func(l *remoteListen) bool { return l.endpoint.Path == m.Path && l.endpoint.IsUnix() }
		return exact, exact, true
	}
	var m sshconn.TCPOpen
	if ssh.Unmarshal(c.ExtraData(), &m) != nil {
		return nil, nil, false
	}
	loose = func(l *remoteListen) bool { return !l.endpoint.IsUnix() && l.port == m.Port }
	exact = func(l *remoteListen) bool { return loose(l) && l.host == m.Host }
	return exact, loose, true
}

// portless reports whether c names port 0, and the address that it names. Some servers repeat what they were asked for, where
// RFC 4254 §7.2 wants the port that they chose.
func portless(c ssh.NewChannel) (host string, ok bool) {
	var m sshconn.TCPOpen
	if c.ChannelType() != "forwarded-tcpip" || ssh.Unmarshal(c.ExtraData(), &m) != nil {
		return "", false
	}
	return m.Host, m.Port == 0
}

// choosing reports whether the server chose the port.
func (l *remoteListen) choosing() bool {
	return !l.endpoint.IsUnix() && l.endpoint.Port == 0 && l.port != 0
}

// portlessListener returns the one listener that a connection without a port can be for; nil where none or more than one can.
// Listeners that the server has yet to answer for are among them.
func (s *Session) portlessListener(ctx context.Context, host string) *remoteListen {
	for {
		found, unknown := s.listens.matching((*remoteListen).choosing)
		if len(unknown) == 0 {
			return s.onlyOne(found, host)
		}
		select {
		case <-unknown[0].known:
		case <-ctx.Done():
			return nil
		}
	}
}

// onlyOne also picks by the address, and leaves the echo loop out while none of its probes is under way.
func (s *Session) onlyOne(found []*remoteListen, host string) *remoteListen {
	for _, may := range []func(*remoteListen) bool{
		func(l *remoteListen) bool { return l.host == host },
		func(l *remoteListen) bool { return !s.echo.rests(l) },
	} {
		if len(found) < 2 {
			break
		}
		var fewer []*remoteListen
		for _, l := range found {
			if may(l) {
				fewer = append(fewer, l)
			}
		}
		if len(fewer) > 0 {
			found = fewer
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	s.log.Debug("the server does not say which port a connection is for", "listen", foreign.Line(host), "may_be", len(found))
	return nil
}
