package sshconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// TCPOpen is the payload of the channels direct-tcpip and forwarded-tcpip (RFC 4254 §7.2). sshtest has one of its own, so
// that no mistake here is made by both ends.
type TCPOpen struct {
	Host           string // to connect to, or that listens
	Port           uint32
	OriginatorHost string // the client, for the other side's log
	OriginatorPort uint32
}

// MarshalTCPOpen returns the payload of a channel to or from host, for the client that the originator names.
func MarshalTCPOpen(host string, port uint32, originatorHost string, originatorPort uint32) []byte {
	return ssh.Marshal(TCPOpen{host, port, originatorHost, originatorPort})
}

// throughJump opens a channel to the destination at the jump host, which looks the name up. The requests of the jump
// host are served until its wire dies.
func (a *attempt) throughJump(ctx context.Context, via *Conn) (net.Conn, error) {
	begun := time.Now()
	go via.serveJump(a.dialer.Log.With("host", a.options.Via.Address(), "user", a.options.Via.User))
	go rejectChannels(via.Chans)
	conn, err := openJump(ctx, a.options, via)
	if err != nil {
		err = jumpError(ctx, a.options, via, err)
	}
	a.trace("jump", begun, "through "+via.Info.name(), err)
	return conn, err
}

// openJump bounds OpenChannel, which knows no context and may miss the death of the connection (see wire). When ctx or the
// wire of the jump host ends, the call is left behind; it ends with that wire, which the caller closes.
func openJump(ctx context.Context, o *config.Options, via *Conn) (net.Conn, error) {
	type result struct {
		conn *jumpConn
		err  error
	}
	opened := make(chan result, 1)
	go func() {
		// The originator is what ssh -W sends.
		channel, requests, err := via.Conn.OpenChannel("direct-tcpip",
			MarshalTCPOpen(o.HostName, uint32(o.Port), "127.0.0.1", 65535))
		if err == nil {
			go ssh.DiscardRequests(requests)
			go io.Copy(io.Discard, channel.Stderr())
		}
		opened <- result{&jumpConn{Channel: channel, via: via}, foreign.Error(err)}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			return nil, r.err
		}
		return r.conn, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-via.Wire.gone:
		return nil, via.Wire.err()
	}
}

// jumpConn is a channel through a jump host as a net.Conn. The connection to the jump host serves this channel alone.
type jumpConn struct {
	ssh.Channel
	via *Conn
}

// Close closes the connection to the jump host: closing the channel would wait for a peer that does not read, and would
// not unblock a Read.
func (c *jumpConn) Close() error {
	if c.via.Wire.Dead() {
		return nil
	}
	return c.via.Wire.Close()
}

var errNoDeadline = errors.New("a channel through a jump host has no deadlines")

func (c *jumpConn) LocalAddr() net.Addr              { return nil }
func (c *jumpConn) RemoteAddr() net.Addr             { return nil }
func (c *jumpConn) SetDeadline(time.Time) error      { return errNoDeadline }
func (c *jumpConn) SetReadDeadline(time.Time) error  { return errNoDeadline }
func (c *jumpConn) SetWriteDeadline(time.Time) error { return errNoDeadline }

// jumpError returns the error of a jump host that did not connect us.
func jumpError(ctx context.Context, o *config.Options, via *Conn, err error) error {
	if over := ended(ctx, fault.PhaseDial, o.Peer(), "connecting through "+via.Info.name()); over != nil {
		return over
	}
	e := &fault.Error{Phase: fault.PhaseDial, Where: o.Peer(), Err: fmt.Errorf("through jump host %s: %w", via.Info.name(), err)}
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		e.Err = &fault.PlainError{Text: fmt.Sprintf("jump host %s cannot connect to it: %s", via.Info.name(), foreign.Line(refused.Message)), Err: refused}
		if refused.Reason == ssh.Prohibited {
			e.Hint = fmt.Sprintf("%s forbids forwarding: see AllowTcpForwarding and PermitOpen in its sshd_config", via.Info.Host)
		}
	}
	return e
}
