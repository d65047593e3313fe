package sshconn

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/tunneld/tunneld/config"
)

// bindAddress returns the source address for a connection to remote: BindAddress, or else an address of BindInterface, as
// ssh_create_socket of OpenSSH does. The zero address leaves it to the kernel.
func bindAddress(ctx context.Context, o *config.Options, remote netip.Addr) (netip.Addr, error) {
	switch {
	case o.BindAddress != "":
		found, err := net.DefaultResolver.LookupNetIP(ctx, config.FamilyOf(remote).Network("ip"), o.BindAddress)
		if err != nil {
			return netip.Addr{}, &sourceError{"BindAddress " + o.BindAddress, err}
		}
		return found[0].Unmap(), nil
	case o.BindInterface != "":
		ip, err := interfaceAddress(o.BindInterface, remote)
		if err != nil {
			return netip.Addr{}, &sourceError{"BindInterface " + o.BindInterface, err}
		}
		return ip, nil
	}
	return netip.Addr{}, nil
}

// sourceError is a source address that cannot be used.
type sourceError struct {
	option string
	err    error
}

func (e *sourceError) Error() string { return e.option + ": " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// interfaceAddress returns the first address of the interface that is of remote's family, those that are neither loopback
// nor link-local first (check_ifaddrs of OpenSSH).
func interfaceAddress(name string, remote netip.Addr) (netip.Addr, error) {
	device, err := net.InterfaceByName(name)
	if err != nil {
		return netip.Addr{}, err
	}
	if device.Flags&net.FlagUp == 0 {
		return netip.Addr{}, errors.New("the interface is down")
	}
	list, err := device.Addrs()
	if err != nil {
		return netip.Addr{}, err
	}
	var second netip.Addr
	for _, a := range list {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil || config.FamilyOf(prefix.Addr()) != config.FamilyOf(remote) {
			continue
		}
		ip := prefix.Addr()
		if !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			return ip, nil
		}
		if ip.IsLinkLocalUnicast() && ip.Is6() {
			ip = ip.WithZone(name)
		}
		second = cmp.Or(second, ip)
	}
	if !second.IsValid() {
		return netip.Addr{}, errors.New("no suitable address")
	}
	return second, nil
}
