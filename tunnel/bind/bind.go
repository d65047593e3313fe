// Package bind makes the listeners of local forwards: where one listens, after OpenSSH's rules (GatewayPorts, AddressFamily), the
// listener itself, TCP or a Unix socket with its mode and its leftovers (StreamLocalBindMask, StreamLocalBindUnlink), and
// what to do where it cannot be had. Whose a listener is, and which forward it goes to, is the tunnel's.
package bind

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/errno"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/dns"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// bindHosts returns the addresses that a local listener without or with a bind address takes, as OpenSSH's
// channel_fwd_bind_addr: no address and "localhost" are both loopbacks, unless GatewayPorts says every interface; "" and
// "*" are every interface; anything else is what it resolves to. GatewayPorts is not for TunneldDNS: who answers everybody is used
// to flood others, and has to say so.
func bindHosts(ctx context.Context, o *config.Options, f config.Forward) ([]string, error) {
	e := f.Listen
	switch {
	case !e.HostSet && o.GatewayPorts && f.Kind != config.DNS, e.HostSet && (e.Host == "" || e.Host == "*"):
		return eachOf(o.AddressFamily, "0.0.0.0", "::"), nil
	case !e.HostSet, e.Host == "localhost":
		return eachOf(o.AddressFamily, "127.0.0.1", "::1"), nil
	}
	if ip, err := netip.ParseAddr(e.Host); err == nil { // Go's resolver takes "::" for both families
		if !o.AddressFamily.Permits(ip) {
			return nil, fmt.Errorf("not an address of AddressFamily %s", o.AddressFamily)
		}
		return []string{e.Host}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, o.AddressFamily.Network("ip"), e.Host)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, ip := range ips {
		if host := ip.Unmap().String(); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts, nil
}

// eachOf returns the one of two addresses that belongs to the family, or both: AddressFamily holds for forwards as well
// (channel_set_af in OpenSSH).
func eachOf(f config.AddressFamily, four, six string) []string {
	switch f {
	case config.IPv4:
		return []string{four}
	case config.IPv6:
		return []string{six}
	}
	return []string{four, six}
}

// Address is where somebody can listen. Two of the same place are equal.
type Address struct {
	Network string // "tcp", "udp" or "unix"
	Host    string // IP address in its shortest form, or path
	Port    int    // 0: any, or none of a path
}

// AddressOf returns the Address of an address that a listener names.
func AddressOf(a net.Addr) Address {
	switch a := a.(type) {
	case *net.TCPAddr:
		return Address{"tcp", a.AddrPort().Addr().Unmap().String(), a.Port}
	case *net.UDPAddr:
		return Address{"udp", a.AddrPort().Addr().Unmap().String(), a.Port}
	}
	return Address{"unix", a.String(), 0}
}

func (p Address) String() string {
	switch p.Network {
	case "unix":
		return p.Host
	case "udp":
		return p.hostPort() + "/udp"
	}
	return p.hostPort()
}

func (p Address) hostPort() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }

// IsIPv6 reports whether the address is one of IPv6.
func (p Address) IsIPv6() bool { return strings.Contains(p.Host, ":") }

// IsEverywhere reports whether the address stands for every interface.
func (p Address) IsEverywhere() bool { return p.Host == "0.0.0.0" || p.Host == "::" }

// AddressesOf returns where a local forward listens. spec is the forward as a person types it.
func AddressesOf(ctx context.Context, o *config.Options, f config.Forward, spec string) ([]Address, error) {
	if f.Listen.IsUnix() {
		return []Address{{"unix", f.Listen.Path, 0}}, nil
	}
	hosts, err := bindHosts(ctx, o, f)
	if err != nil {
		return nil, Error(f, spec, f.Listen.Host, err)
	}
	var addresses []Address
	for _, host := range hosts {
		if ip, err := netip.ParseAddr(host); err == nil {
			host = ip.String()
		}
		addresses = append(addresses, Address{"tcp", host, f.Listen.Port})
		if f.Kind == config.DNS {
			addresses = append(addresses, Address{"udp", host, f.Listen.Port})
		}
	}
	return addresses, nil
}

// SameAddresses reports whether a forward listens at the same places with other as with o.
func SameAddresses(o, other *config.Options, f config.Forward) bool {
	return f.Listen.IsUnix() || o.AddressFamily == other.AddressFamily && (f.Listen.HostSet || o.GatewayPorts == other.GatewayPorts)
}

// NoSuchAddress tells an address that the machine lacks from one that is taken.
func NoSuchAddress(err error) bool {
	return errors.Is(err, errno.NoAddress) || errors.Is(err, errno.NoFamily)
}

// At binds p anew. The caller closes the listener.
func At(ctx context.Context, o *config.Options, p Address) (net.Listener, error) {
	if p.Network == "unix" {
		return bindUnix(o, p.Host)
	}
	return Port(ctx, p)
}

// Port is At for an address of TCP or UDP.
func Port(ctx context.Context, p Address) (net.Listener, error) {
	network := p.Network + "4"
	if p.IsIPv6() {
		network = p.Network + "6" // with IPV6_V6ONLY, as OpenSSH: the IPv4 listener stands beside it
	}
	if p.Network == "udp" {
		return listenDNS(ctx, network, p.hostPort())
	}
	return listenConfig().Listen(ctx, network, p.hostPort())
}

func listenDNS(ctx context.Context, network, address string) (net.Listener, error) {
	l, err := dns.Listen(ctx, network, address)
	if err != nil { // and no nil *dns.Listener
		return nil, err
	}
	return l, nil
}

// CannotListen is the cause of an *Error of PhaseListen.
type CannotListen struct {
	Address string // that could not be bound
	spec    string // the forward that asked for it
	Err     error  // what the system said
}

func (e *CannotListen) Error() string {
	return fmt.Sprintf("cannot listen on %s for %s: %v", e.Address, e.spec, e.Err)
}

func (e *CannotListen) Unwrap() error { return e.Err }

// ListenAddress returns the address that could not be bound; whoever has an error of PhaseListen finds it with errors.As.
func (e *CannotListen) ListenAddress() string { return e.Address }

// Error says what cannot be bound, where it was asked for, and what to do. spec is the forward as a person types it.
func Error(f config.Forward, spec, address string, err error) *fault.Error {
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	var file *os.PathError // of a directory in the making
	if errors.As(err, &file) {
		err = file.Err
	}
	return &fault.Error{
		Phase:     fault.PhaseListen,
		Permanent: true,
		Where:     f.Source.String(),
		Err:       &CannotListen{address, spec, err},
		Hint:      listenHint(f, err),
	}
}

func listenHint(f config.Forward, err error) string {
	sockets := "ta" // not listeners alone: a connection of another program may have the port at its near end
	if f.Kind == config.DNS {
		sockets = "tua"
	}
	switch {
	case errors.Is(err, errno.InUse) && f.Listen.IsUnix() && leftover(f.Listen.Path):
		return "the socket is a leftover, nobody listens there: remove it, or set StreamLocalBindUnlink yes, which does so at each start"
	case errors.Is(err, errno.InUse) && f.Listen.IsUnix():
		return "another program listens on this socket: stop it or choose another path"
	case errors.Is(err, errno.InUse):
		return fmt.Sprintf("another program has the port: `ss -%snp 'sport = :%d'` shows which; stop it or choose another port", sockets, f.Listen.Port)
	case f.Listen.IsUnix():
		return socketHint(f.Listen.Path, err)
	case errors.Is(err, errno.Denied), errors.Is(err, syscall.EPERM):
		return "ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a port above, or grant it"
	case NoSuchAddress(err):
		return "no interface of this machine has the address; `ip address` lists them"
	}
	return ""
}

// socketHint says what to do where no socket can be made at path: it is the directory's matter.
func socketHint(path string, err error) string {
	dir := foreign.Own(filepath.Dir(path))
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Sprintf("you may not write to the directory %s: choose another one for the socket", dir)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Sprintf("there is no directory %s: make it, or choose another one for the socket", dir)
	case errors.Is(err, syscall.EEXIST):
		return "what is there is no socket: remove it, or choose another path"
	case errors.Is(err, syscall.EROFS):
		return fmt.Sprintf("the file system of %s is read-only: choose another directory for the socket", dir)
	}
	return ""
}
