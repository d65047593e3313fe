package tunnel

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
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// bindHosts returns the addresses that a local listener without or with a bind address takes, as OpenSSH's
// channel_fwd_bind_addr: no address and "localhost" are both loopbacks, unless GatewayPorts says every interface; "" and
// "*" are every interface; anything else is what it resolves to.
func bindHosts(ctx context.Context, o *config.Options, e config.Endpoint) ([]string, error) {
	switch {
	case !e.HostSet && o.GatewayPorts, e.HostSet && (e.Host == "" || e.Host == "*"):
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

// listenAddress is where somebody can listen.
type listenAddress struct {
	network string // "tcp" or "unix"
	host    string // IP address in its shortest form, or path
	port    int
}

// addressOf returns the listenAddress of an address that a listener names.
func addressOf(a net.Addr) listenAddress {
	if tcp, ok := a.(*net.TCPAddr); ok {
		ip := tcp.AddrPort().Addr().Unmap()
		return listenAddress{"tcp", ip.String(), tcp.Port}
	}
	return listenAddress{"unix", a.String(), 0}
}

func (p listenAddress) String() string {
	if p.network == "unix" {
		return p.host
	}
	return net.JoinHostPort(p.host, strconv.Itoa(p.port))
}

func (p listenAddress) isIPv6() bool       { return strings.Contains(p.host, ":") }
func (p listenAddress) isEverywhere() bool { return p.host == "0.0.0.0" || p.host == "::" }

// addressesOf returns where a local forward listens.
func addressesOf(ctx context.Context, o *config.Options, f config.Forward) ([]listenAddress, error) {
	if f.Listen.IsUnix() {
		return []listenAddress{{"unix", f.Listen.Path, 0}}, nil
	}
	hosts, err := bindHosts(ctx, o, f.Listen)
	if err != nil {
		return nil, listenError(f, f.Listen.Host, err)
	}
	var addresses []listenAddress
	for _, host := range hosts {
		if ip, err := netip.ParseAddr(host); err == nil {
			host = ip.String()
		}
		addresses = append(addresses, listenAddress{"tcp", host, f.Listen.Port})
	}
	return addresses, nil
}

// sameAddresses reports whether a forward listens at the same places with other as with o.
func sameAddresses(o, other *config.Options, f config.Forward) bool {
	return f.Listen.IsUnix() || o.AddressFamily == other.AddressFamily && (f.Listen.HostSet || o.GatewayPorts == other.GatewayPorts)
}

// noSuchAddress tells an address that the machine lacks from one that is taken.
func noSuchAddress(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// listenAt binds p anew. The caller closes the listener.
func listenAt(ctx context.Context, o *config.Options, p listenAddress) (net.Listener, error) {
	if p.network == "unix" {
		return bindUnix(o, p.host)
	}
	return listenTCP(ctx, p)
}

func listenTCP(ctx context.Context, p listenAddress) (net.Listener, error) {
	network := "tcp4"
	if p.isIPv6() {
		network = "tcp6" // with IPV6_V6ONLY, as OpenSSH: the IPv4 listener stands beside it
	}
	return new(net.ListenConfig).Listen(ctx, network, p.String())
}

// cannotListen is the cause of an *Error of PhaseListen.
type cannotListen struct {
	address, spec string
	err           error
}

func (e *cannotListen) Error() string {
	return fmt.Sprintf("cannot listen on %s for %s: %v", e.address, e.spec, e.err)
}

func (e *cannotListen) Unwrap() error { return e.err }

// ListenAddress returns the address that could not be bound; whoever has an error of PhaseListen finds it with errors.As.
func (e *cannotListen) ListenAddress() string { return e.address }

// listenError says what cannot be bound, where it was asked for, and what to do.
func listenError(f config.Forward, address string, err error) *fault.Error {
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
		Err:       &cannotListen{address, Spec(f), err},
		Hint:      listenHint(f, err),
	}
}

func listenHint(f config.Forward, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && f.Listen.IsUnix() && leftover(f.Listen.Path):
		return "the socket is a leftover, nobody listens there: remove it, or set StreamLocalBindUnlink yes, which does so at each start"
	case errors.Is(err, syscall.EADDRINUSE) && f.Listen.IsUnix():
		return "another program listens on this socket: stop it or choose another path"
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("another program has the port: `ss -ltnp 'sport = :%d'` shows which; stop it or choose another port", f.Listen.Port)
	case f.Listen.IsUnix():
		return socketHint(f.Listen.Path, err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a port above, or grant it"
	case noSuchAddress(err):
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
