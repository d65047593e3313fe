package lab

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
)

// ProxyError is a proxy's refusal: the reply code of SOCKS, or the status of HTTP.
type ProxyError int

func (e ProxyError) Error() string { return fmt.Sprintf("the proxy refused with %d", int(e)) }

// Agreement is what a client says to a proxy on a new connection, until the target answers through it.
type Agreement func(net.Conn) error

// Nothing is the agreement of a port that leads straight to its target.
func Nothing(net.Conn) error { return nil }

// Socks5 asks a SOCKS5 proxy (RFC 1928) for target ("host:port"). An address is sent as such, a name as a name.
func Socks5(target string) Agreement {
	return func(c net.Conn) error {
		host, port, err := splitTarget(target)
		if err != nil {
			return err
		}
		request := append([]byte{5, 1, 0, 5, 1, 0}, socksAddress(host)...) // greeting and request in one go
		if _, err := c.Write(binary.BigEndian.AppendUint16(request, port)); err != nil {
			return err
		}
		var reply [2 + 4]byte // method; version, code, reserved, type of address
		if _, err := io.ReadFull(c, reply[:]); err != nil {
			return err
		}
		if reply[0] != 5 || reply[1] != 0 || reply[2] != 5 {
			return fmt.Errorf("not a SOCKS5 reply: % x", reply)
		}
		if reply[3] != 0 {
			return ProxyError(reply[3])
		}
		return skip(c, map[byte]int{1: 4 + 2, 4: 16 + 2}[reply[5]])
	}
}

// socksAddress is ATYP and DST.ADDR of RFC 1928 §5.
func socksAddress(host string) []byte {
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return append([]byte{3, byte(len(host))}, host...)
	case ip.Is4():
		return append([]byte{1}, ip.AsSlice()...)
	default:
		return append([]byte{4}, ip.AsSlice()...)
	}
}

// Socks4 asks a SOCKS4 proxy for target; what is not an IPv4 address is sent as SOCKS4a does.
func Socks4(target string) Agreement {
	return func(c net.Conn) error {
		host, port, err := splitTarget(target)
		if err != nil {
			return err
		}
		request := binary.BigEndian.AppendUint16([]byte{4, 1}, port)
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
			request = append(append(request, ip.AsSlice()...), 0)
		} else {
			request = append(append(request, 0, 0, 0, 1, 0), host+"\x00"...)
		}
		if _, err := c.Write(request); err != nil {
			return err
		}
		var reply [8]byte
		if _, err := io.ReadFull(c, reply[:]); err != nil {
			return err
		}
		if reply[0] != 0 {
			return fmt.Errorf("not a SOCKS4 reply: % x", reply)
		}
		if reply[1] != 90 {
			return ProxyError(reply[1])
		}
		return nil
	}
}

// HttpConnect asks an HTTP proxy for target (RFC 9110 §9.3.6).
func HttpConnect(target string) Agreement {
	return func(c net.Conn) error {
		if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", target); err != nil {
			return err
		}
		answer, err := http.ReadResponse(bufio.NewReader(oneByte{c}), &http.Request{Method: http.MethodConnect})
		if err != nil {
			return err
		}
		if answer.StatusCode != http.StatusOK {
			return ProxyError(answer.StatusCode)
		}
		return nil
	}
}

// oneByte reads a byte at a time, so that a buffered reader takes nothing that comes after the answer.
type oneByte struct{ io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.Reader.Read(p[:min(1, len(p))]) }

func splitTarget(target string) (string, uint16, error) {
	host, text, err := net.SplitHostPort(target)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return host, uint16(port), err
}

// skip reads n bytes and drops them; 0 is an address type that we do not know.
func skip(r io.Reader, n int) error {
	if n == 0 {
		return errors.New("unknown type of address in a SOCKS5 reply")
	}
	_, err := io.CopyN(io.Discard, r, int64(n))
	return err
}
