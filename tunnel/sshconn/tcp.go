package sshconn

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/names"
)

// attemptPause lies between ConnectionAttempts (ssh_config(5)).
const attemptPause = time.Second

// dialTCP looks the name up anew, connects to whichever of its addresses answers first, and sets the socket's options.
func (a *attempt) dialTCP(ctx context.Context) (net.Conn, error) {
	begun, o := time.Now(), a.options
	addresses, err := a.dialer.resolve(ctx, o)
	if err != nil {
		err = resolveError(ctx, o, err)
		a.trace("dns", begun, "", err)
		return nil, err
	}
	a.log.Debug("resolved", "addresses", addresses)
	a.trace("dns", begun, joined(addresses), nil)

	begun = time.Now()
	conn, err := tcpAttempts(ctx, o, addresses, a.log)
	if err != nil {
		err = connectError(ctx, o, addresses, err)
		a.trace("tcp", begun, "", err)
		return nil, err
	}
	a.log.Debug("connected", "address", conn.RemoteAddr(), "local", conn.LocalAddr())
	a.trace("tcp", begun, conn.RemoteAddr().String(), nil)
	return conn, nil
}

// resolve returns the addresses to try, in order: the families alternate (RFC 8305 §4).
func (d *Dialer) resolve(ctx context.Context, o *config.Options) ([]netip.AddrPort, error) {
	var found []netip.Addr
	if ip, err := netip.ParseAddr(o.HostName); err == nil {
		found = []netip.Addr{ip.Unmap()}
	} else if found, err = d.lookUp(ctx, o.AddressFamily.Network("ip"), o.HostName); err != nil {
		return nil, err
	}
	var fitting []netip.AddrPort
	for _, ip := range interleave(found) {
		if o.AddressFamily.Permits(ip) {
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
	return names.Lookup(ctx, network, host)
}

// tcpAttempts tries all addresses ConnectionAttempts times, a second apart.
func tcpAttempts(ctx context.Context, o *config.Options, addresses []netip.AddrPort, log *slog.Logger) (net.Conn, error) {
	connect := func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		log.Debug("connecting", "host", o.HostName, "address", to)
		conn, err := connectTCP(ctx, o, to, log)
		if err != nil && ctx.Err() == nil {
			log.Debug("connecting did not work", "address", to, "err", err)
		}
		return conn, err
	}
	for attempt := 1; ; attempt++ {
		conn, err := happyEyeballs(ctx, addresses, redial(connect))
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
	conn, err := dialer.DialContext(ctx, config.FamilyOf(to.Addr()).Network("tcp"), to.String())
	if err != nil {
		return nil, err
	}
	tune(conn.(*net.TCPConn), o, log)
	return conn, nil
}

func joined(addresses []netip.AddrPort) string {
	var all []string
	for _, a := range addresses {
		all = append(all, a.Addr().String())
	}
	return strings.Join(all, ", ")
}
