package config

import "reflect"

// SameConnection reports whether a connection that was made with other will do for o: whether they agree on how the server is
// reached, checked and logged in to. Forwards and the monitor's settings may differ.
func (o *Options) SameConnection(other *Options) bool {
	return reflect.DeepEqual(o.connection(), other.connection())
}

// connection returns a copy that keeps only what a connection depends on.
func (o *Options) connection() Options {
	c := *o
	c.document = document{}
	c.Warnings, c.Unread, c.Forwards, c.PermitRemoteOpen = nil, nil, nil, nil
	c.GatewayPorts, c.ClearAllForwardings, c.ExitOnForwardFailure = false, false, false
	c.StreamLocalBindMask, c.StreamLocalBindUnlink = 0, false
	c.Hold, c.BackoffMax, c.Drain, c.MaxLifetime, c.Lazy = 0, 0, 0, 0, 0
	c.Echo, c.EchoInterval, c.Connections = Echo{}, 0, 0
	c.PortFile, c.Session, c.Master = "", SessionOptions{}, Master{}
	if o.Via != nil {
		via := o.Via.connection()
		c.Via = &via
	}
	return c
}
