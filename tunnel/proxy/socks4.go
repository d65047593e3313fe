package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// The codes of SOCKS4 (its only definition is the memo of 1992; SOCKS4a added names).
const (
	socks4Connect  = 1
	socks4Granted  = 0x5a
	socks4Rejected = 0x5b
)

// maxSOCKS4Text is the longest user name or host name that is read.
const maxSOCKS4Text = 255

// serveSOCKS4 serves SOCKS4 and SOCKS4a.
func serveSOCKS4(ctx context.Context, c *client) error {
	command, host, port, err := readSOCKS4(c)
	if err != nil {
		return err
	}
	if command != socks4Connect {
		writeSOCKS4(c, socks4Rejected)
		return fmt.Errorf("SOCKS4 command %d is not supported", command)
	}
	r, err := c.open(ctx, host, port)
	if err != nil {
		writeSOCKS4(c, socks4Rejected)
		return err
	}
	if err := writeSOCKS4(c, socks4Granted); err != nil {
		r.Abandon(ctx)
		return err
	}
	return carry(ctx, r, c.said, nil)
}

func readSOCKS4(r io.Reader) (command byte, host string, port int, err error) {
	var head [8]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, "", 0, fmt.Errorf("SOCKS4 request cut short: %w", err)
	}
	if _, err = readZeroEnded(r); err != nil { // the user name, which nobody checks
		return 0, "", 0, err
	}
	ip := net.IP(head[4:])
	host = ip.String()
	if ip[0] == 0 && ip[1] == 0 && ip[2] == 0 && ip[3] != 0 { // SOCKS4a: a name follows
		if host, err = readZeroEnded(r); err != nil {
			return 0, "", 0, err
		}
	}
	return head[1], host, int(binary.BigEndian.Uint16(head[2:4])), nil
}

// readZeroEnded reads byte by byte, because what follows belongs to the target. Most of them were read at the beginning.
func readZeroEnded(r io.Reader) (string, error) {
	var text []byte
	var b [1]byte
	for len(text) <= maxSOCKS4Text {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return "", fmt.Errorf("SOCKS4 request cut short: %w", err)
		}
		if b[0] == 0 {
			return string(text), nil
		}
		text = append(text, b[0])
	}
	return "", errors.New("SOCKS4 request with an endless name")
}

func writeSOCKS4(w io.Writer, code byte) error {
	_, err := w.Write([]byte{0, code, 0, 0, 0, 0, 0, 0})
	return err
}
