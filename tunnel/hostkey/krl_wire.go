package hostkey

import (
	"bytes"
	"encoding/binary"
)

// wireReader reads the data types of RFC 4251 §5. Once something is missing, failed is set and zero values are returned.
type wireReader struct {
	rest   []byte
	failed bool
}

func (r *wireReader) take(n uint64) []byte {
	if r.failed || n > uint64(len(r.rest)) {
		r.failed = true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *wireReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *wireReader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *wireReader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *wireReader) string() []byte { return r.take(uint64(r.uint32())) }

// textUpToNUL reads a string that may end in one NUL and has no other.
func (r *wireReader) textUpToNUL() string {
	text := bytes.TrimSuffix(r.string(), []byte{0})
	if bytes.IndexByte(text, 0) >= 0 {
		r.failed = true
	}
	return string(text)
}

// end fails where something is left over.
func (r *wireReader) end() { r.failed = r.failed || len(r.rest) > 0 }

func (r *wireReader) err() error {
	if r.failed {
		return errKRL
	}
	return nil
}
