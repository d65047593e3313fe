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

// Through returns o with the way to the server that other has: all that a connection depends on, and the commands for when it is up and
// when it is down. Forwards and everything else are those of o, and so are the look-ups by keyword.
func (o *Options) Through(other *Options) *Options {
	c := *other
	c.takeRest(o)
	return &c
}

// takeRest copies from other what a connection does not depend on.
func (o *Options) takeRest(other *Options) {
	o.document, o.Matched = other.document, other.Matched
	o.Warnings, o.Unread, o.Forwards, o.PermitRemoteOpen = other.Warnings, other.Unread, other.Forwards, other.PermitRemoteOpen
	o.ChannelTimeout, o.WarnWeakCrypto = other.ChannelTimeout, other.WarnWeakCrypto
	o.GatewayPorts, o.ClearAllForwardings, o.ExitOnForwardFailure = other.GatewayPorts, other.ClearAllForwardings, other.ExitOnForwardFailure
	o.StreamLocalBindMask, o.StreamLocalBindUnlink = other.StreamLocalBindMask, other.StreamLocalBindUnlink
	o.Hold, o.BackoffMax, o.Drain, o.MaxLifetime, o.Lazy = other.Hold, other.BackoffMax, other.Drain, other.MaxLifetime, other.Lazy
	o.Echo, o.EchoInterval, o.Connections = other.Echo, other.EchoInterval, other.Connections
	o.PortFile, o.Session, o.Master = other.PortFile, other.Session, other.Master
}

// connection returns a copy that keeps only what a connection depends on.
func (o *Options) connection() Options {
	c := *o
	c.takeRest(&Options{})
	c.OnUp, c.OnDown = "", ""
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
		isForward := k.name == "LocalForward" || k.name == "RemoteForward" || k.name == "DynamicForward" || k.name == "TunneldDNS"
		if c.Was != c.Is && !isForward && k.loss == "" && k.none == "" {
			changes = append(changes, c)
		}
	}
	return changes
}
