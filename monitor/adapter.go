package monitor

import (
	"context"
	"time"

	"github.com/tunneld/tunneld/tunnel"
)

// Adapt makes a Tunnel for New of the one that carries bytes.
func Adapt(t *tunnel.Tunnel) Tunnel { return tunnelAdapter{t} }

// tunnelAdapter fulfils Tunnel. Its sessions are of type connection, and so are all that it is given.
type tunnelAdapter struct{ *tunnel.Tunnel }

func (c tunnelAdapter) Connect(ctx context.Context) (Session, error) {
	s, err := c.Tunnel.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return connection{s}, nil
}

func (c tunnelAdapter) Annex(ctx context.Context) (Session, error) { return c.Connect(ctx) }

func (c tunnelAdapter) Join(s Session)  { c.Tunnel.Join(s.(connection).Session) }
func (c tunnelAdapter) Leave(s Session) { c.Tunnel.Leave(s.(connection).Session) }

func (c tunnelAdapter) Retire(ctx context.Context, s Session) error {
	return c.Tunnel.Retire(ctx, s.(connection).Session)
}

// connection fulfils Session.
type connection struct{ *tunnel.Session }

func (c connection) Expires() time.Time { return c.CertificateExpiry() }

func (c connection) Server() Server {
	s := c.Session.Server()
	return Server{
		User: s.User, Host: s.Host, Port: s.Port, Address: s.Address, Version: s.Version.String(),
		Kex: s.Kex, Cipher: s.Cipher, MAC: s.MAC, HostKey: s.HostKey, Fingerprint: s.Fingerprint, Via: s.Via,
	}
}
