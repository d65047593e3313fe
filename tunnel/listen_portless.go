package tunnel

import (
	"context"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

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

// onlyOne picks by the address, too, and leaves the echo loop out while none of its probes is under way.
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
