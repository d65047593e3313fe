package sshconn

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

func TestInterleave(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"begins with the resolver's first", "2001:db8::1 10.0.0.1", "2001:db8::1 10.0.0.1"},
		{"alternates", "2001:db8::1 2001:db8::2 2001:db8::3 10.0.0.1 10.0.0.2", "2001:db8::1 10.0.0.1 2001:db8::2 10.0.0.2 2001:db8::3"},
		{"one family", "10.0.0.3 10.0.0.1 10.0.0.2", "10.0.0.3 10.0.0.1 10.0.0.2"},
		{"more of the second", "10.0.0.1 ::1 ::2 ::3", "10.0.0.1 ::1 ::2 ::3"},
		{"duplicates and mapped addresses", "10.0.0.1 ::ffff:10.0.0.1 10.0.0.1", "10.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var in, got []string
			var parsed []netip.Addr
			in = strings.Fields(c.in)
			for _, s := range in {
				parsed = append(parsed, netip.MustParseAddr(s))
			}
			for _, a := range interleave(parsed) {
				got = append(got, a.String())
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func TestResolveFollowsAddressFamily(t *testing.T) {
	d := &Dialer{lookup: func(_ context.Context, network, _ string) ([]netip.Addr, error) {
		all := []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.1")}
		if network == "ip" {
			return all, nil
		}
		return slices.DeleteFunc(all, func(a netip.Addr) bool { return a.Is4() != (network == "ip4") }), nil
	}}
	for _, c := range []struct {
		host   string
		family config.AddressFamily
		want   string
	}{
		{"h", config.AnyFamily, "::1, 127.0.0.1"},
		{"h", config.IPv4, "127.0.0.1"},
		{"h", config.IPv6, "::1"},
		{"10.1.2.3", config.AnyFamily, "10.1.2.3"},
		{"fe80::1%lo", config.IPv6, "fe80::1%lo"},
		{"10.1.2.3", config.IPv6, ""},
	} {
		got, err := d.resolve(t.Context(), &config.Options{HostName: c.host, Port: 22, AddressFamily: c.family})
		if joined(got) != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s %s: got %q, %v; want %q", c.host, c.family, joined(got), err, c.want)
		}
	}
}

// tracked is a connection whose closing can be seen.
type tracked struct {
	net.Conn
	closed bool
}

func (c *tracked) Close() error { c.closed = true; return nil }

func addresses(n int) []netip.AddrPort {
	var all []netip.AddrPort
	for i := range n {
		all = append(all, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 22))
	}
	return all
}

func TestRaceStaggersAndTakesTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var mu sync.Mutex
		var started []time.Duration
		winner := &tracked{}
		conn, err := happyEyeballs(t.Context(), addresses(5), func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			mu.Lock()
			started = append(started, time.Since(begun))
			mu.Unlock()
			if to.Addr().As4()[3] < 2 { // these never answer
				<-ctx.Done()
				return nil, ctx.Err()
			}
			time.Sleep(10 * time.Millisecond)
			return winner, nil
		})
		if err != nil || conn != winner {
			t.Fatal(conn, err)
		}
		if want := []time.Duration{0, stagger, 2 * stagger}; !slices.Equal(started, want) {
			t.Errorf("started at %v, want %v", started, want)
		}
		if winner.closed {
			t.Error("the winner was closed")
		}
	})
}

func TestRaceClosesTheLosers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loser, winner := &tracked{}, &tracked{}
		conn, err := happyEyeballs(t.Context(), addresses(2), func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			if to.Addr().As4()[3] == 0 {
				<-ctx.Done()
				return loser, nil // connected just as the other had won
			}
			return winner, nil
		})
		if conn != winner || err != nil || !loser.closed || winner.closed {
			t.Errorf("conn %v, err %v, loser closed %v, winner closed %v", conn, err, loser.closed, winner.closed)
		}
	})
}

func TestRaceDoesNotWaitAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		_, err := happyEyeballs(t.Context(), addresses(4), func(context.Context, netip.AddrPort) (net.Conn, error) {
			return nil, errors.New("refused")
		})
		if n := strings.Count(err.Error(), "refused"); n != 4 || time.Since(begun) != 0 {
			t.Errorf("%d errors after %v", n, time.Since(begun))
		}
	})
}

func TestRaceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, d := withDeadline(t.Context(), time.Second)
		defer d.stop()
		begun := time.Now()
		_, err := happyEyeballs(ctx, addresses(2), func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if err == nil || time.Since(begun) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

func TestConnectionAttemptsAreASecondApart(t *testing.T) {
	port := sshtest.FreePort(t)
	synctest.Test(t, func(t *testing.T) {
		o := &config.Options{HostName: "127.0.0.1", Port: port, ConnectionAttempts: 3, IPQoS: -1}
		begun := time.Now()
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
		_, err := tcpAttempts(t.Context(), o, []netip.AddrPort{to}, slog.New(slog.DiscardHandler))
		if took := time.Since(begun); err == nil || took != 2*attemptPause {
			t.Errorf("%v after %v, want an error after two pauses", err, took)
		}
	})
}

func TestSourceAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := netip.MustParseAddrPort(l.Addr().String())
	for _, c := range []struct {
		name          string
		bind, device  string
		want, wantErr string
	}{
		{name: "kernel's choice", want: "127.0.0.1"},
		{name: "BindAddress", bind: "127.0.0.7", want: "127.0.0.7"},
		{name: "BindAddress by name", bind: "localhost", want: "127.0.0.1"},
		{name: "BindInterface", device: "lo", want: "127.0.0.1"},
		{name: "BindAddress wins", bind: "127.0.0.7", device: "lo", want: "127.0.0.7"},
		{name: "no such interface", device: "none0", wantErr: "BindInterface none0"},
		{name: "foreign address", bind: "192.0.2.1", wantErr: "cannot assign requested address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.device == "lo" {
				if _, err := net.InterfaceByName("lo"); err != nil {
					t.Skip("no interface lo here")
				}
			}
			o := &config.Options{BindAddress: c.bind, BindInterface: c.device, IPQoS: -1}
			conn, err := connectTCP(t.Context(), o, to, slog.New(slog.DiscardHandler))
			if err != nil {
				if c.wantErr == "" || !strings.Contains(err.Error(), c.wantErr) {
					t.Fatal(err)
				}
				return
			}
			defer conn.Close()
			if got := conn.LocalAddr().(*net.TCPAddr).IP.String(); got != c.want {
				t.Errorf("source %s, want %s", got, c.want)
			}
		})
	}
}
