package config

import "net/netip"

// AddressFamily restricts which addresses of a name are used.
type AddressFamily string

// The values of AddressFamily.
const (
	AnyFamily AddressFamily = "any"
	IPv4      AddressFamily = "inet"
	IPv6      AddressFamily = "inet6"
)

// FamilyOf returns the family of an address, never AnyFamily. An IPv4 address written as IPv6 counts as IPv6.
func FamilyOf(ip netip.Addr) AddressFamily {
	if ip.Is4() {
		return IPv4
	}
	return IPv6
}

// Network returns kind, "ip" or "tcp", as package net restricts it to the family: "ip4", "tcp6", or kind itself for any.
func (f AddressFamily) Network(kind string) string {
	switch f {
	case IPv4:
		return kind + "4"
	case IPv6:
		return kind + "6"
	}
	return kind
}

// Permits reports whether ip belongs to the family.
func (f AddressFamily) Permits(ip netip.Addr) bool {
	return f != IPv4 && f != IPv6 || f == FamilyOf(ip)
}
