package monitor

import (
	"context"
	"errors"
	"time"

	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// annexIdle is how long a connection lives on that carries no session any more.
const annexIdle = 10 * time.Second

// Annex makes a connection that serves sessions alone, beside those of the slots: for a server that allows only so many
// sessions on each. It is watched as the others are and closed when it has carried nothing for a while; nothing is
// connected again in its place. It is for tunnel.OnCrowded, of the tunnel that the Monitor was made for. It may be called
// only while Run does.
func (m *Monitor) Annex(ctx context.Context) (*tunnel.Session, error) {
	s, err := m.tunnel.Connect(ctx)
	if err != nil {
		return nil, err
	}
	real, ok := s.(connection)
	if !ok {
		s.Close()
		return nil, errors.New("not a connection of a tunnel")
	}
	m.log.Info("further connection for sessions", "why", "the server allows no more on those that there are")
	go m.watchAnnex(s) // ends with the session, which the tunnel closes when it is shut down
	return real.Session, nil
}

// watchAnnex returns when s has ended, which it sees to.
func (m *Monitor) watchAnnex(s Session) {
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p, used := newKeepalive(m.options(), time.Now()), time.Now()
	beats := make(chan answer, 1)
	tick := time.NewTicker(turnEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.Done():
			return
		case a := <-beats:
			if a.err == nil {
				p.answered(time.Now())
			}
		case <-tick.C:
		}
		now := time.Now()
		p.hear(s.LastRead(), now)
		if err := p.dead(now); err != nil {
			m.log.Warn("connection lost", "err", err, "phase", fault.PhaseSession, "why", "a further connection for sessions")
			s.CloseWith(err)
			return
		}
		if s.Open() > 0 {
			used = now
		}
		if now.Sub(used) > annexIdle {
			m.log.Info("further connection closed", "why", "it carries no session")
			return
		}
		if p.send(now) {
			go func() {
				rtt, err := s.Keepalive(ctx)
				select {
				case beats <- answer{rtt: rtt, err: err}:
				case <-ctx.Done():
				}
			}()
		}
	}
}
