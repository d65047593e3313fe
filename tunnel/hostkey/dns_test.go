package hostkey

import (
	"crypto/sha256"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/hostkey/sshfp"
)

// fingerprints is a name server that says this of every name.
type fingerprints struct {
	of        ssh.PublicKey // nil: there are none
	validated bool
	broken    bool
}

// resolver starts the server and returns a resolver that asks it.
func (f *fingerprints) resolver(t *testing.T) *sshfp.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		buffer := make([]byte, 4096)
		for {
			n, peer, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil {
				continue
			}
			f.answer(&m)
			if packed, err := m.Pack(); err == nil {
				conn.WriteTo(packed, peer)
			}
		}
	}()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	text := "nameserver 127.0.0.1\noptions attempts:1\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &sshfp.Resolver{File: path, Port: strconv.Itoa(conn.LocalAddr().(*net.UDPAddr).Port)}
}

func (f *fingerprints) answer(m *dnsmessage.Message) {
	m.Response, m.AuthenticData, m.Additionals = true, f.validated, nil
	if f.broken {
		m.RCode = dnsmessage.RCodeServerFailure
		return
	}
	if f.of == nil {
		return
	}
	sum := sha256.Sum256(f.of.Marshal())
	m.Answers = []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: 44, Class: dnsmessage.ClassINET, TTL: 1},
		Body:   &dnsmessage.UnknownResource{Type: 44, Data: append([]byte{4, 2}, sum[:]...)},
	}}
}

func TestVerifyHostKeyDNS(t *testing.T) {
	a, b := testKey(t, "ed25519 a"), testKey(t, "ed25519 b")
	held, changed := hostLine(t, "host.example", "ed25519 a"), hostLine(t, "host.example", "ed25519 b")
	for name, test := range map[string]struct {
		dns    fingerprints
		verify config.HostKeyDNS
		lines  []string
		strict config.StrictHostKeyChecking
		ask    *answers
		want   string // of the refusal; empty: it is accepted
		passes bool   // the refusal may
		prompt string
		byDNS  bool
	}{
		"yes, validated":                {dns: fingerprints{of: a, validated: true}, verify: config.DNSYes, byDNS: true},
		"yes, and known_hosts differs":  {dns: fingerprints{of: a, validated: true}, verify: config.DNSYes, lines: []string{changed}, byDNS: true},
		"yes, and revoked":              {dns: fingerprints{of: a, validated: true}, verify: config.DNSYes, lines: []string{"@revoked " + held}, want: "@revoked"},
		"yes, not validated":            {dns: fingerprints{of: a}, verify: config.DNSYes, want: "no host key is known"},
		"yes, another key":              {dns: fingerprints{of: b, validated: true}, verify: config.DNSYes, want: "no host key is known"},
		"yes, another key, but known":   {dns: fingerprints{of: b, validated: true}, verify: config.DNSYes, lines: []string{held}},
		"yes, nothing":                  {dns: fingerprints{validated: true}, verify: config.DNSYes, want: "no host key is known"},
		"yes, no answer":                {dns: fingerprints{broken: true}, verify: config.DNSYes, want: "cannot be checked now", passes: true},
		"yes, no answer, changed":       {dns: fingerprints{broken: true}, verify: config.DNSYes, lines: []string{changed}, want: "cannot be checked now", passes: true},
		"yes, no answer, but known":     {dns: fingerprints{broken: true}, verify: config.DNSYes, lines: []string{held}},
		"ask, validated":                {dns: fingerprints{of: a, validated: true}, verify: config.DNSAsk, want: "no host key is known"},
		"ask, and a person says yes":    {dns: fingerprints{of: a, validated: true}, verify: config.DNSAsk, strict: config.StrictAsk, ask: &answers{yes: true}, prompt: "\nMatching host key fingerprint found in DNS."},
		"yes, not validated, and asked": {dns: fingerprints{of: a}, verify: config.DNSYes, strict: config.StrictAsk, ask: &answers{yes: true}, prompt: "\nMatching host key fingerprint found in DNS."},
		"another key, and asked":        {dns: fingerprints{of: b}, verify: config.DNSAsk, strict: config.StrictAsk, ask: &answers{yes: true}, prompt: "No matching host key fingerprint found in DNS."},
		"no":                            {dns: fingerprints{of: a, validated: true}, verify: config.DNSNo, want: "no host key is known"},
	} {
		t.Run(name, func(t *testing.T) {
			o := hostOptions(t, 22, writeLines(t, test.lines...))
			o.VerifyHostKeyDNS = test.verify
			if test.strict != "" {
				o.StrictHostKeyChecking = test.strict
			}
			var ask Asker
			if test.ask != nil {
				ask = test.ask
			}
			h := newTestHostKeys(t, o, ask)
			h.Names = test.dns.resolver(t)
			err := h.Check(t.Context(), nil, a)
			wantVerdict(t, name, err, test.want)
			if err != nil && fault.IsPermanent(err) == test.passes {
				t.Errorf("permanent: %v", !test.passes)
			}
			if h.ByDNS() != test.byDNS {
				t.Errorf("by the DNS: %v", h.ByDNS())
			}
			if test.ask != nil && !strings.Contains(test.ask.prompt, test.prompt) {
				t.Errorf("asked: %s", test.ask.prompt)
			}
		})
	}
}

// What the DNS has vouched for stays good while it does not answer, and no longer.
func TestVerifiedByDNSBefore(t *testing.T) {
	a, b := testKey(t, "ed25519 a"), testKey(t, "ed25519 b")
	o := hostOptions(t, 22, writeLines(t))
	o.VerifyHostKeyDNS = config.DNSYes
	verified := new(VerifiedKeys)
	for _, step := range []struct {
		dns  fingerprints
		want string
	}{
		{fingerprints{broken: true}, "cannot be checked now"},
		{fingerprints{of: a, validated: true}, ""},
		{fingerprints{broken: true}, ""},
		{fingerprints{of: b, validated: true}, "no host key is known"},
		{fingerprints{validated: true}, "no host key is known"},
	} {
		h, err := Read(t.Context(), o, verified, nil, testLog(t))
		if err != nil {
			t.Fatal(err)
		}
		h.Names = step.dns.resolver(t)
		wantVerdict(t, "", h.Check(t.Context(), nil, a), step.want)
	}
}
