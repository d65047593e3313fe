package config

import (
	"reflect"
	"strings"
)

// SameConnection reports whether a connection that was made with other will do for o: whether they agree on how the server is
// reached, checked and logged in to. Forwards and the monitor's settings may differ.
func (o *Options) SameConnection(other *Options) bool {
	return reflect.DeepEqual(o.connection(), other.connection())
}

// connection returns a copy that keeps only what a connection depends on.
func (o *Options) connection() Options {
	c := *o
	c.document = document{}
	c.Warnings, c.Unread, c.Forwards, c.PermitRemoteOpen, c.ChannelTimeout, c.WarnWeakCrypto = nil, nil, nil, nil, nil, WeakUnset
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

// Change is a keyword whose value differs between two configurations of a destination.
type Change struct {
	Keyword string
	Hop     string // the jump host that it is of; empty: the destination
	Was, Is string // as `ssh -G` has them; empty: unset
	Private bool   // the values may hold secrets
}

// ChangesFrom returns the keywords that have an effect and another value in o than they had in before, in the order of
// `ssh -G`; those of the jump hosts after those of the destination. Forwards are not among them.
func (o *Options) ChangesFrom(before *Options) []Change {
	changes := o.changesOfHop(before, "")
	is, was := o.Via, before.Via
	for is != nil && was != nil && is.Alias == was.Alias {
		changes = append(changes, is.changesOfHop(was, is.Alias)...)
		is, was = is.Via, was.Via
	}
	return changes
}

func (o *Options) changesOfHop(before *Options, hop string) []Change {
	var changes []Change
	for _, k := range table() {
		c := Change{Keyword: k.name, Hop: hop, Was: strings.Join(before.values(k.name), " "), Is: strings.Join(o.values(k.name), " ")}
		c.Private = k.rest && k.name != "ProxyJump" || k.name == "SetEnv"
		isForward := k.name == "LocalForward" || k.name == "RemoteForward" || k.name == "DynamicForward"
		if c.Was != c.Is && !isForward && k.loss == "" && k.none == "" {
			changes = append(changes, c)
		}
	}
	return changes
}
