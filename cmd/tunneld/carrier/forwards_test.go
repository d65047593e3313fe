package carrier

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// down is a tunnel in an outage.
func down(t *testing.T) *Carrier {
	t.Helper()
	log, o := slog.New(slog.DiscardHandler), &config.Options{Hold: time.Minute}
	tun := tunnel.New(o, nil, log)
	if err := tun.Listen(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tun.Close() })
	m := monitor.New(monitor.Config{Name: "db", Options: o, Log: log}, monitor.Adapt(tun))
	return &Carrier{Name: "db", Tunnel: tun, Monitor: m, Log: log, Changing: make(chan struct{}, 1)}
}

// ask asks for a forward until leave is called.
func ask(t *testing.T, c *Carrier, f config.Forward) (leave func(), ended <-chan error) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	t.Cleanup(leave)
	result, before := make(chan error, 1), waiting(c)
	go func() {
		_, err := c.Forward(ctx, f)
		result <- err
	}()
	sshtest.Eventually(t, "it waits", func() bool { return waiting(c) == before+1 })
	return leave, result
}

func waiting(c *Carrier) (n int) {
	c.awaited.mu.Lock()
	defer c.awaited.mu.Unlock()
	for _, w := range c.awaited.waits {
		n += w.count
	}
	return n
}

// Who leaves takes no forward away that somebody else waits for; the last one does.
func TestForwardIsTakenBackWithTheLastWhoWaits(t *testing.T) {
	c := down(t)
	f := config.Forward{Kind: config.Remote, Listen: config.Endpoint{Port: 4711, HostSet: true, Host: "*"}, Target: config.Endpoint{Host: "db", HostSet: true, Port: 1}}
	same := f
	same.Listen.Host = ""
	leaveFirst, first := ask(t, c, f)
	leaveSecond, second := ask(t, c, same)
	leaveFirst()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first is told %v", err)
	}
	if n := len(c.Tunnel.Forwards()); n != 1 || len(second) != 0 {
		t.Fatalf("%d forwards while the second waits", n)
	}
	leaveSecond()
	<-second
	if n := len(c.Tunnel.Forwards()); n != 0 || waiting(c) != 0 {
		t.Errorf("%d forwards that nobody waits for", n)
	}
}

// Who waits for a forward that another takes away hears of it.
func TestForwardIsTakenAwayWhileItIsAwaited(t *testing.T) {
	c := down(t)
	f := config.Forward{Kind: config.Remote, Listen: config.Endpoint{Port: 4711}, Target: config.Endpoint{Host: "db", HostSet: true, Port: 1}}
	_, ended := ask(t, c, f)
	if err := c.Remove(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, tunnel.ErrNotForwarded) {
		t.Errorf("told %v", err)
	}
	_, again := ask(t, c, f)
	if len(again) != 0 || len(c.Tunnel.Forwards()) != 1 {
		t.Error("it is not added again")
	}
}

// Who is refused in an outage is told where it is said why.
func TestOpenInAnOutage(t *testing.T) {
	c := down(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Open(ctx, "session", nil); err == nil || !strings.HasSuffix(err.Error(), "; `tunneld status db` says why") {
		t.Error(err)
	}
}
