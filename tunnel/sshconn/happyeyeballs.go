package sshconn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// stagger is the Connection Attempt Delay of RFC 8305 §5.
const stagger = 250 * time.Millisecond

// connector connects to one address.
type connector func(context.Context, netip.AddrPort) (net.Conn, error)

// happyEyeballs connects to the addresses, each a quarter of a second after the one before or as soon as one has failed, and
// returns the first connection. The other attempts are withdrawn. The error joins those of all addresses.
func happyEyeballs(ctx context.Context, addresses []netip.AddrPort, connect connector) (net.Conn, error) {
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
