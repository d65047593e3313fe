package tunnel

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/tunneld/tunneld/config"
)

const (
	stagger      = 250 * time.Millisecond // RFC 8305 §5, Connection Attempt Delay
	attemptPause = time.Second            // ssh_config(5), ConnectionAttempts
)

// dialTCP looks the name up anew, connects to whichever of its addresses answers first, and sets the socket's options.
func (d *Dialer) dialTCP(ctx context.Context, o *config.Options, log *slog.Logger) (net.Conn, error) {
	begun := time.Now()
	addresses, err := d.resolve(ctx, o)
	if err != nil {
		err = unresolved(ctx, o, err)
		d.trace("dns", whereOf(o), begun, "", err)
		return nil, err
	}
	log.Debug("resolved", "addresses", addresses)
	d.trace("dns", whereOf(o), begun, joined(addresses), nil)

	begun = time.Now()
	conn, err := tcpAttempts(ctx, o, addresses, log)
	if err != nil {
		err = unconnected(ctx, o, addresses, err)
		d.trace("tcp", whereOf(o), begun, "", err)
		return nil, err
	}
	log.Debug("connected", "address", conn.RemoteAddr(), "local", conn.LocalAddr())
	d.trace("tcp", whereOf(o), begun, conn.RemoteAddr().String(), nil)
	return conn, nil
}

// resolve gives the addresses to try, in order: the families alternate (RFC 8305 §4).
func (d *Dialer) resolve(ctx context.Context, o *config.Options) ([]netip.AddrPort, error) {
	var found []netip.Addr
	if ip, err := netip.ParseAddr(o.HostName); err == nil {
		found = []netip.Addr{ip.Unmap()}
	} else if found, err = d.lookUp(ctx, network("ip", o.AddressFamily), o.HostName); err != nil {
		return nil, err
	}
	var fitting []netip.AddrPort
	for _, ip := range interleave(found) {
		if suits(ip, o.AddressFamily) {
			fitting = append(fitting, netip.AddrPortFrom(ip, uint16(o.Port)))
		}
	}
	if len(fitting) == 0 {
		return nil, &net.DNSError{Err: "no address of family " + string(o.AddressFamily), Name: o.HostName, IsNotFound: true}
	}
	return fitting, nil
}

func (d *Dialer) lookUp(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if d.lookup != nil {
		return d.lookup(ctx, network, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, network, host)
}

// network gives "ip", "ip4" or "ip6" for the prefix "ip", and likewise for "tcp".
func network(prefix string, family config.AddressFamily) string {
	switch family {
	case config.IPv4:
		return prefix + "4"
	case config.IPv6:
		return prefix + "6"
	}
	return prefix
}

func suits(ip netip.Addr, family config.AddressFamily) bool {
	return family == config.IPv4 && ip.Is4() || family == config.IPv6 && ip.Is6() ||
		family != config.IPv4 && family != config.IPv6
}

// interleave keeps the resolver's order within each family, begins with its first address, and drops duplicates.
func interleave(found []netip.Addr) []netip.Addr {
	var first, second []netip.Addr
	seen := make(map[netip.Addr]bool)
	for _, ip := range found {
		if ip = ip.Unmap(); seen[ip] {
			continue
		}
		seen[ip] = true
		if len(first) == 0 || ip.Is4() == first[0].Is4() {
			first = append(first, ip)
		} else {
			second = append(second, ip)
		}
	}
	var mixed []netip.Addr
	for i := range max(len(first), len(second)) {
		mixed = append(mixed, first[min(i, len(first)):min(i+1, len(first))]...)
		mixed = append(mixed, second[min(i, len(second)):min(i+1, len(second))]...)
	}
	return mixed
}

// tcpAttempts tries all addresses ConnectionAttempts times, a second apart.
func tcpAttempts(ctx context.Context, o *config.Options, addresses []netip.AddrPort, log *slog.Logger) (net.Conn, error) {
	connect := func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		log.Debug("connecting", "address", to)
		conn, err := connectTCP(ctx, o, to, log)
		if err != nil && ctx.Err() == nil {
			log.Debug("connecting did not work", "address", to, "err", err)
		}
		return conn, err
	}
	for attempt := 1; ; attempt++ {
		conn, err := race(ctx, addresses, connect)
		if err == nil || attempt >= o.ConnectionAttempts || ctx.Err() != nil {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(attemptPause):
		}
	}
}

// race connects to the addresses, each a quarter of a second after the one before or as soon as one has failed, and gives
// the first connection there is. The others are ended and closed. The error joins what each address had to say.
func race(ctx context.Context, addresses []netip.AddrPort, connect func(context.Context, netip.AddrPort) (net.Conn, error)) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan result)
	next, running := 0, 0
	start := func() {
		to := addresses[next]
		next++
		running++
		go func() {
			conn, err := connect(ctx, to)
			results <- result{conn, err}
		}()
	}
	defer func() {
		cancel()
		for ; running > 0; running-- {
			if r := <-results; r.conn != nil {
				r.conn.Close()
			}
		}
	}()

	start()
	pace := time.NewTicker(stagger)
	defer pace.Stop()
	var all []error
	for running > 0 {
		select {
		case r := <-results:
			running--
			if r.err == nil {
				return r.conn, nil
			}
			all = append(all, r.err)
		case <-pace.C:
		}
		if next < len(addresses) && ctx.Err() == nil {
			start()
			pace.Reset(stagger)
		}
	}
	return nil, errors.Join(all...)
}

// connectTCP makes one TCP connection as Options say.
func connectTCP(ctx context.Context, o *config.Options, to netip.AddrPort, log *slog.Logger) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1}
	if o.TCPKeepAlive { // with the kernel's times, as ssh does; the keepalives that notice an outage are SSH's own
		dialer.KeepAliveConfig = net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1}
	}
	local, err := bindAddress(ctx, o, to.Addr())
	if err != nil {
		return nil, err
	}
	if local.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
	}
	conn, err := dialer.DialContext(ctx, network("tcp", familyOf(to.Addr())), to.String())
	if err != nil {
		return nil, err
	}
	tune(conn.(*net.TCPConn), o, log)
	return conn, nil
}

func familyOf(ip netip.Addr) config.AddressFamily {
	if ip.Is4() {
		return config.IPv4
	}
	return config.IPv6
}

// bindAddress gives the source address for a connection to remote: BindAddress, or else an address of BindInterface, as
// ssh_create_socket of OpenSSH does. The zero address leaves it to the kernel.
func bindAddress(ctx context.Context, o *config.Options, remote netip.Addr) (netip.Addr, error) {
	switch {
	case o.BindAddress != "":
		found, err := net.DefaultResolver.LookupNetIP(ctx, network("ip", familyOf(remote)), o.BindAddress)
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

// sourceError is a source address that can not be used.
type sourceError struct {
	option string
	err    error
}

func (e *sourceError) Error() string { return e.option + ": " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// interfaceAddress gives the first address of the interface that is of remote's family, those that are neither loopback
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
		if err != nil || familyOf(prefix.Addr()) != familyOf(remote) {
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

func joined(addresses []netip.AddrPort) string {
	var all []string
	for _, a := range addresses {
		all = append(all, a.Addr().String())
	}
	return strings.Join(all, ", ")
}
