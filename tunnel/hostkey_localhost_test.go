package tunnel

import (
	"net"
	"testing"

	"github.com/tunneld/tunneld/config"
)

// NoHostAuthenticationForLocalhost is for this machine itself, reached directly and under its own name.
func TestNoHostAuthenticationForLocalhost(t *testing.T) {
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 22}
	elsewhere := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 22}
	for _, c := range []struct {
		name   string
		o      config.Options
		remote net.Addr
		ok     bool
	}{
		{"this machine", config.Options{NoHostAuthForLocalhost: true}, loopback, true},
		{"not set", config.Options{}, loopback, false},
		{"another machine", config.Options{NoHostAuthForLocalhost: true}, elsewhere, false},
		{"no address", config.Options{NoHostAuthForLocalhost: true}, nil, false},
		{"an alias", config.Options{NoHostAuthForLocalhost: true, HostKeyAlias: "a"}, loopback, false},
		{"through a command", config.Options{NoHostAuthForLocalhost: true, ProxyCommand: "nc"}, loopback, false},
		{"through a jump host", config.Options{NoHostAuthForLocalhost: true, Via: &config.Options{}}, loopback, false},
	} {
		c.o.HostName, c.o.Port, c.o.StrictHostKeyChecking = "localhost", 22, config.StrictYes
		h, err := newHostKeys(t.Context(), &c.o, nil, quiet())
		if err != nil {
			t.Fatal(err)
		}
		if err := h.check(t.Context(), c.remote, testKey(t, "ed25519 local")); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
