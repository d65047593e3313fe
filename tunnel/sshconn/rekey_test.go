package sshconn

import (
	"net"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestKeysGoStale(t *testing.T) {
	const gcm, ctr, chacha = ssh.CipherAES128GCM, ssh.CipherAES128CTR, ssh.CipherChaCha20Poly1305
	for _, c := range []struct {
		name        string
		limit       uint64
		interval    time.Duration
		cipher, mac string
		used        uint64
		age         time.Duration
		want        string
	}{
		{"nothing asked, young", 0, 0, gcm, "", 64 << 30, 0, ""},
		{"AES by itself", 0, 0, gcm, "", 66 << 30, 0, "the server has not renewed the keys for 66G"},
		{"ChaCha20 by itself", 0, 0, chacha, "", 1<<30 + 1<<28, 0, "the server has not renewed the keys for 1.2G"},
		{"ChaCha20, as much as the server lets it be", 0, 0, chacha, "", 1<<30 + 1<<20, 0, ""},
		{"AES-CTR, so that not even the smallest packets come to 2^31", 0, 0, ctr, "hmac-sha1-96", 28 * (1<<31 - 1<<24), 0,
			"the server has not renewed the keys for 55.6G"},
		{"before RekeyLimit", 16 << 20, 0, gcm, "", 16<<20 - 1, time.Hour, ""},
		{"RekeyLimit", 16 << 20, 0, gcm, "", 16 << 20, 0, "RekeyLimit reached: 16M with the same keys"},
		{"a RekeyLimit that the cipher is not good for", 8 << 40, 0, gcm, "", 66 << 30, 0, "the server has not renewed the keys for 66G"},
		{"before RekeyLimit's time", 0, time.Hour, gcm, "", 0, time.Hour - time.Second, ""},
		{"RekeyLimit's time", 0, time.Hour, gcm, "", 0, time.Hour, "RekeyLimit reached: the same keys for 1h0m0s"},
		{"RekeyLimit's bytes before its time", 1 << 10, time.Hour, gcm, "", 1 << 10, time.Hour, "RekeyLimit reached: 1K with the same keys"},
	} {
		for _, received := range []bool{false, true} {
			w := NewWire(idleConn(t))
			t.Cleanup(func() { w.Close() })
			k := keyAge{limit: c.limit, interval: c.interval}
			k.renewed(w)
			if received {
				w.received.Add(c.used)
			} else {
				w.sent.Add(c.used)
			}
			if got := k.stale(w, c.cipher, c.mac, k.since.Add(c.age)); got != c.want {
				t.Errorf("%s, received %t: %q, want %q", c.name, received, got, c.want)
			}
			k.renewed(w)
			if got := k.stale(w, c.cipher, c.mac, k.since); got != "" {
				t.Errorf("%s: %q after a key exchange", c.name, got)
			}
		}
	}
}

// idleConn is a connection on which nothing happens.
func idleConn(t *testing.T) net.Conn {
	near, far := net.Pipe()
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	return near
}

// No limit may make the library begin a key exchange by the bytes it counts.
func TestLibraryNeverBeginsKeyExchanges(t *testing.T) {
	c := ssh.Config{RekeyThreshold: neverRekey}
	c.SetDefaults()
	if c.RekeyThreshold < 1<<62 {
		t.Errorf("the library makes %d of the threshold", c.RekeyThreshold)
	}
}
