package hostkey

import (
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshtest"
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
		c.o.HostKeyAlgorithms = sshtest.Defaults(t).HostKeyAlgorithms
		h, err := Read(t.Context(), &c.o, nil, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Check(t.Context(), c.remote, testKey(t, "ed25519 local")); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A stored password goes to hosts whose key is held, was vouched for, or is held from now on.
func TestWhichHostsAreKnown(t *testing.T) {
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 22}
	held := writeLines(t, hostLine(t, "localhost", "ed25519 local"))
	for name, c := range map[string]struct {
		file   string
		strict config.StrictHostKeyChecking
		exempt bool
		ask    Asker
		want   bool
	}{
		"held":                         {file: held, strict: config.StrictYes, want: true},
		"new and noted":                {file: writeLines(t), strict: config.StrictAcceptNew, want: true},
		"new and noted nowhere":        {file: "/dev/null", strict: config.StrictAcceptNew},
		"new and anything goes":        {file: "/dev/null", strict: config.StrictNo},
		"new and not to be noted":      {file: filepath.Join(t.TempDir(), "no", "such"), strict: config.StrictAcceptNew},
		"new, a person vouched for it": {file: "/dev/null", strict: config.StrictAsk, ask: &answers{yes: true}, want: true},
		"not checked":                  {file: writeLines(t), strict: config.StrictYes, exempt: true},
	} {
		o := hostOptions(t, 22, c.file)
		o.HostName, o.StrictHostKeyChecking, o.NoHostAuthForLocalhost = "localhost", c.strict, c.exempt
		h := newTestHostKeys(t, o, c.ask)
		if h.Known() || h.Unchecked() != "" {
			t.Errorf("%s: known before it is checked", name)
		}
		if err := h.Check(t.Context(), loopback, testKey(t, "ed25519 local")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if h.Known() != c.want {
			t.Errorf("%s: known %v", name, h.Known())
		}
		if told := h.Unchecked(); told != map[bool]string{false: ssh.FingerprintSHA256(testKey(t, "ed25519 local"))}[c.want] {
			t.Errorf("%s: told from others by %q", name, told)
		}
	}
}
