package tunnel

import (
	"context"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/idle"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// A channel that has ended before anybody carried something over it, as ChannelTimeout may have it, was one and not two: what counts
// it decides when a session is given up.
func TestChannelThatEndsBeforeItIsCarried(t *testing.T) {
	p := newPeer(t)
	far := target(t, echoBytes)
	s := p.session(config.Echo{})
	defer s.Close()
	s.idle = new(idle.Watch)
	s.idle.Follow([]config.ChannelTimeout{{Type: "direct-tcpip", Time: 200 * time.Millisecond}})
	kind, payload := openPayload(far, nil)
	ch, err := s.open(t.Context(), "far", kind, payload)
	if err != nil {
		t.Fatal(err)
	}
	sshtest.Eventually(t, "the channel has ended", func() bool { return s.Open() == 0 })
	(&splice{dialTo(t, endpointText(far)), ch, new(counter), nil}).run(t.Context())
	sshtest.Eventually(t, "nobody has the place", func() bool { return ch.place.users.Load() == 0 })
	if n := s.Open(); n != 0 {
		t.Errorf("%d are open after the only one has ended", n)
	}
}

// Probes are no use of a tunnel: ChannelTimeout global closes what is idle for longer than the time between two of them.
func TestProbesAreNoUse(t *testing.T) {
	p := newPeer(t)
	far := target(t, echoBytes)
	s := p.session(config.Echo{Mode: config.EchoAuto})
	defer s.Close()
	s.idle = new(idle.Watch)
	s.idle.Follow([]config.ChannelTimeout{{Type: idle.Global, Time: time.Second}})
	kind, payload := openPayload(far, nil)
	ch, err := s.open(t.Context(), "far", kind, payload)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	sshtest.Eventually(t, "the idle channel is closed", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := s.Echo(ctx); err != nil {
			t.Error(err)
		}
		return ch.lapsed.Load()
	})
}
