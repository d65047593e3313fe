package hostkey

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"

	"golang.org/x/crypto/ssh"
)

// maxKRLBitmap is the longest bitmap of serial numbers in bytes; it is the limit of OpenSSH's big numbers.
const maxKRLBitmap = 2048

// revokedCertificates are those of one authority.
type revokedCertificates struct {
	keyIDs  map[string]bool
	serials []serialRange
	bitmaps []serialBitmap
}

// serialRange includes both of its ends.
type serialRange struct{ first, last uint64 }

// serialBitmap revokes first+n where bit n of the big-endian number is set.
type serialBitmap struct {
	first uint64
	bits  []byte
}

func (l *revocationList) certificates(body []byte) error {
	r := &wireReader{rest: body}
	authority := r.string()
	r.string() // reserved
	if r.failed {
		return errKRL
	}
	if len(authority) > 0 {
		if _, err := parseKeyBlob(authority); err != nil {
			return fmt.Errorf("%w: authority: %w", errKRL, err)
		}
	}
	revoked := l.certs[string(authority)]
	if revoked == nil {
		revoked = &revokedCertificates{keyIDs: map[string]bool{}}
		l.certs[string(authority)] = revoked
	}
	for !r.failed && len(r.rest) > 0 {
		kind, part := r.byte(), &wireReader{rest: r.string()}
		if r.failed {
			break
		}
		if err := revoked.part(kind, part); err != nil {
			return err
		}
	}
	return r.err()
}

func (c *revokedCertificates) part(kind byte, r *wireReader) error {
	switch kind {
	case krlSerialList:
		for !r.failed && len(r.rest) > 0 {
			serial := r.uint64()
			c.add(r, serialRange{serial, serial})
		}
	case krlSerialRange:
		c.add(r, serialRange{r.uint64(), r.uint64()})
		r.end()
	case krlSerialBitmap:
		c.addBitmap(r, serialBitmap{r.uint64(), r.string()})
		r.end()
	case krlKeyID:
		for !r.failed && len(r.rest) > 0 {
			c.keyIDs[r.textUpToNUL()] = true
		}
	default:
		return fmt.Errorf("%w: certificate section of type %d", errKRL, kind)
	}
	return r.err()
}

// add refuses serial number 0, which stands for a certificate without one.
func (c *revokedCertificates) add(r *wireReader, s serialRange) {
	if s.first == 0 || s.first > s.last {
		r.failed = true
		return
	}
	c.serials = append(c.serials, s)
}

func (c *revokedCertificates) addBitmap(r *wireReader, b serialBitmap) {
	if len(b.bits) > 0 && b.bits[0] >= 0x80 { // a negative number (RFC 4251 §5)
		r.failed = true
		return
	}
	b.bits = bytes.TrimLeft(b.bits, "\x00")
	last := uint64(max(new(big.Int).SetBytes(b.bits).BitLen()-1, 0))
	if len(b.bits) > maxKRLBitmap || b.first+last < b.first || b.first == 0 && b.has(0) {
		r.failed = true
		return
	}
	c.bitmaps = append(c.bitmaps, b)
}

func (b serialBitmap) has(serial uint64) bool {
	if serial < b.first {
		return false
	}
	bit := serial - b.first
	if bit/8 >= uint64(len(b.bits)) {
		return false
	}
	return b.bits[len(b.bits)-1-int(bit/8)]>>(bit%8)&1 == 1
}

func (c *revokedCertificates) holds(cert *ssh.Certificate) bool {
	if c == nil {
		return false
	}
	if c.keyIDs[cert.KeyId] {
		return true
	}
	return cert.Serial != 0 &&
		(slices.ContainsFunc(c.serials, func(s serialRange) bool { return s.first <= cert.Serial && cert.Serial <= s.last }) ||
			slices.ContainsFunc(c.bitmaps, func(b serialBitmap) bool { return b.has(cert.Serial) }))
}
