package config

import "reflect"

// SameConnection reports whether a connection made with other serves as well for o: whether they agree in all that says how
// the server is reached, checked and logged in to. Forwards and what the monitor lives by may differ.
func (o *Options) SameConnection(other *Options) bool {
	return reflect.DeepEqual(o.connection(), other.connection())
}

// connection returns a copy without what does not concern a connection that is up.
func (o *Options) connection() Options {
	c := *o
	c.document = document{}
	c.Warnings, c.Unread, c.Forwards, c.PermitRemoteOpen = nil, nil, nil, nil
	c.GatewayPorts, c.ClearAllForwardings, c.ExitOnForwardFailure = false, false, false
	c.StreamLocalBindMask, c.StreamLocalBindUnlink = 0, false
	c.Hold, c.BackoffMax, c.Drain, c.MaxLifetime, c.Lazy = 0, 0, 0, 0, 0
	c.Echo, c.EchoInterval, c.Connections = Echo{}, 0, 0
	c.PortFile, c.Session = "", SessionOptions{}
	if o.Via != nil {
		via := o.Via.connection()
		c.Via = &via
	}
	return c
}
