package sshconn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// silentUntil returns a connector to an address that answers nobody until then: later requests get answer at once. Each
// request before stays without one, as after packets were lost.
func silentUntil(then time.Duration, answer func() (net.Conn, error)) (connect connector, asked func() []time.Duration, most func() int) {
	var mu sync.Mutex
	var times []time.Duration
	running, largest := 0, 0
	begun := time.Now()
	connect = func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		mu.Lock()
		times = append(times, time.Since(begun))
		running++
		largest = max(largest, running)
		mu.Unlock()
		defer func() { mu.Lock(); running--; mu.Unlock() }()
		if time.Since(begun) >= then {
			return answer()
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return connect, func() []time.Duration { return times }, func() int { return largest }
}

func TestSilentAddressIsAskedAgain(t *testing.T) {
	refused := errors.New("refused")
	for name, want := range map[string]error{"connects": nil, "refuses": refused} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				connect, asked, most := silentUntil(20*time.Second, func() (net.Conn, error) { return &tracked{}, want })
				_, err := redial(connect)(t.Context(), addresses(1)[0])
				if err != want {
					t.Fatal(err)
				}
				s := time.Second
				if got, want := asked(), []time.Duration{0, 3 * s, 6 * s, 9 * s, 12 * s, 15 * s, 18 * s, 21 * s}; !slices.Equal(got, want) {
					t.Errorf("asked at %v, want %v", got, want)
				}
				if n := most(); n > redialMost+1 {
					t.Errorf("%d requests at a time", n)
				}
			})
		})
	}
}

func TestInsistingEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connect, _, _ := silentUntil(time.Hour, nil)
		ctx, d := withDeadline(t.Context(), 30*time.Second)
		defer d.stop()
		begun := time.Now()
		if _, err := redial(connect)(ctx, addresses(1)[0]); err == nil || time.Since(begun) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}
