package proxy

import (
	"bytes"
	"math"
	"net/http"
)

// Extent returns how many of the next bytes of a client belong to its request. Once it is fewer than there are, nothing of
// what follows does.
type Extent func(next []byte) int

// extentOf returns the extent of what follows the head of a request. It is nil where all does, because the connection becomes
// something else.
func extentOf(r *http.Request) Extent {
	switch {
	case r.Method == http.MethodConnect, upgradeOf(r) != "":
		return nil
	case len(r.TransferEncoding) > 0:
		return new(chunks).extent
	}
	left := max(0, r.ContentLength)
	return func(next []byte) int {
		n := int(min(int64(len(next)), left))
		left -= int64(n)
		return n
	}
}

// chunks follows a body in chunks (RFC 9112 §7.1) to its end, in whatever pieces it comes. Its content is the server's matter.
type chunks struct {
	left   int64  // bytes of the chunk
	behind bool   // the next line ends a chunk
	line   []byte // begun
	last   bool   // the chunk of no bytes was there: trailers follow, until an empty line
	over   bool
}

// maxChunkLine is the longest line between chunks; one that is longer ends the body.
const maxChunkLine = 4 << 10

func (c *chunks) extent(next []byte) int {
	taken := 0
	for !c.over && taken < len(next) {
		if c.left > 0 {
			n := min(c.left, int64(len(next)-taken))
			c.left -= n
			taken += int(n)
			continue
		}
		part, _, ended := bytes.Cut(next[taken:], []byte("\n"))
		c.line = append(c.line, part...)
		taken += len(part)
		if ended {
			taken++
			c.read(bytes.TrimSuffix(c.line, []byte("\r")))
			c.line = c.line[:0]
		}
		c.over = c.over || len(c.line) > maxChunkLine
	}
	return taken
}

// read reads a line: a chunk's size, what ends a chunk, or a trailer.
func (c *chunks) read(line []byte) {
	switch {
	case c.last:
		c.over = len(line) == 0
	case c.behind:
		c.behind, c.over = false, len(line) > 0
	default:
		size, ok := chunkSize(line)
		c.left, c.behind, c.last, c.over = size, size > 0, size == 0, !ok
	}
}

// chunkSize returns the number before an extension.
func chunkSize(line []byte) (size int64, ok bool) {
	digits, _, _ := bytes.Cut(line, []byte(";"))
	for _, b := range bytes.TrimSpace(digits) {
		digit := bytes.IndexByte([]byte("0123456789abcdef"), b|0x20)
		if digit < 0 || size > math.MaxInt64>>8 {
			return 0, false
		}
		size, ok = size<<4|int64(digit), true
	}
	return size, ok
}
