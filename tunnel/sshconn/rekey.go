package sshconn

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// neverRekey keeps the library from beginning a key exchange of its own accord. One that it begins under load stops the
// connection for good: all writers wait for it, its mux loop is one of them (mux.go, handlePacket answers
// SSH_MSG_CHANNEL_CLOSE), and so the server's SSH_MSG_KEXINIT behind that packet is never read. Key exchanges that the
// server begins hold, because the readers of that side go on. Here keys that have been used for long enough are a reason
// to replace the connection: StaleKeys.
//
// The library has one more limit, which cannot be set: it begins a key exchange after 2^31 packets in one direction
// (handshake.go:408), so that the 32 bits of a sequence number never wrap. See mostBytes for why a connection in service
// does not get there. One that is kept for its last transfers may: then the library's exchange takes place, and where it
// stalls, the probes find the connection dead.
const neverRekey = math.MaxInt64

// How much keys are good for where RekeyLimit does not say. The values are OpenSSH's (packet.c, ssh_set_newkeys: 2^32 blocks
// of AES, else the gigabyte of RFC 4253 §9), with some room: a server that counts as OpenSSH's does renews the keys before.
const (
	aesBytes   = 64<<30 + 2<<30
	otherBytes = 1<<30 + 1<<28
)

// mostPackets is how many packets may go in one direction under the same keys, a little less than the library's own limit.
const mostPackets = 1<<31 - 1<<24

// keyAge is how long the keys of one connection have been in use. The zero value is that of keys without an age.
type keyAge struct {
	limit    uint64        // RekeyLimit in bytes of one direction; 0: by the cipher
	interval time.Duration // RekeyLimit's second argument; 0: none

	mu      sync.Mutex // guards all following fields
	since   time.Time  // of the last key exchange
	in, out uint64     // bytes on the wire at that time
}

// askedFor takes the limits of o.
func (k *keyAge) askedFor(o *config.Options) { k.limit, k.interval = o.RekeyLimit, o.RekeyInterval }

// renewed notes a key exchange on w, whoever began it.
func (k *keyAge) renewed(w *wire) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.since = time.Now()
	k.in, k.out = w.Counts()
}

// stale returns why the keys have been used for long enough; empty: they have not.
func (k *keyAge) stale(w *wire, cipher, mac string, now time.Time) string {
	in, out := w.Counts()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.since.IsZero() {
		return ""
	}
	most := mostBytes(cipher, mac)
	used := max(in-k.in, out-k.out)
	switch {
	case k.limit > 0 && k.limit <= most && used >= k.limit:
		return fmt.Sprintf("RekeyLimit reached: %s with the same keys", bytesText(k.limit))
	case used >= most:
		return fmt.Sprintf("the server has not renewed the keys for %s", bytesText(most))
	case k.interval > 0 && now.Sub(k.since) >= k.interval:
		return fmt.Sprintf("RekeyLimit reached: the same keys for %s", k.interval)
	}
	return ""
}

// mostBytes returns how much may go in one direction under the same keys, whatever RekeyLimit says: what the cipher is good
// for, or the bytes of mostPackets packets where even the smallest ones come to less.
func mostBytes(cipher, mac string) uint64 {
	bytes := uint64(otherBytes)
	if strings.HasPrefix(cipher, "aes") {
		bytes = aesBytes
	}
	return min(bytes, mostPackets*smallestPacket(cipher, mac))
}

// smallestPacket returns the size on the wire of a packet with as little in it as possible (RFC 4253 §6, RFC 5647 §7).
func smallestPacket(cipher, mac string) uint64 {
	switch {
	case strings.Contains(cipher, "gcm"), cipher == ssh.CipherChaCha20Poly1305:
		return 4 + 16 + 16
	case strings.HasPrefix(mac, "hmac-sha2-512"):
		return 16 + 64
	case strings.HasPrefix(mac, "hmac-sha2-256"):
		return 16 + 32
	}
	return 16 + 12 // hmac-sha1-96
}

// bytesText returns a number of bytes as RekeyLimit writes it.
func bytesText(n uint64) string {
	for _, unit := range []struct {
		size uint64
		name string
	}{{1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}} {
		if n >= unit.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(unit.size)), ".0") + unit.name
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// StaleKeys returns, in words, why the connection ought to be replaced by one with new keys; empty: it need not be. RekeyLimit
// asks for it, or the server has not renewed the keys for as long as they are good. The jump hosts' keys count, too.
func (l *Conn) StaleKeys() string {
	now := time.Now()
	for hop := l; hop != nil; hop = hop.Via {
		why := hop.keys.stale(hop.Wire, hop.Info.Cipher, hop.Info.MAC, now)
		if why != "" && hop != l {
			why = cmp.Or(hop.Info.Host, "jump host") + ": " + why
		}
		if why != "" {
			return why
		}
	}
	return ""
}
