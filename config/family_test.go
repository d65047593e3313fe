package config

import (
	"net/netip"
	"testing"
)

func TestAddressFamily(t *testing.T) {
	for _, c := range []struct {
		family  AddressFamily
		network string
		address string
		permits bool
	}{
		{"", "tcp", "::1", true},
		{AnyFamily, "tcp", "10.0.0.1", true},
		{IPv4, "tcp4", "10.0.0.1", true},
		{IPv4, "tcp4", "::1", false},
		{IPv6, "tcp6", "10.0.0.1", false},
		{IPv6, "tcp6", "::ffff:10.0.0.1", true},
	} {
		if got := c.family.Network("tcp"); got != c.network {
			t.Errorf("%q: network %q, want %q", c.family, got, c.network)
		}
		if got := c.family.Permits(netip.MustParseAddr(c.address)); got != c.permits {
			t.Errorf("%q permits %s: %v", c.family, c.address, got)
		}
	}
}
