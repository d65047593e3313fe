package sshconn

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/tunnel/auth"
)

// The SSH library keeps the server's signature of the key exchange to itself, and an agent wants to see it (auth.Binding). The first bytes
// of the wire have it: they are in the clear.

// Messages of the server in a key exchange (RFC 4253 §12, RFC 4419 §5, RFC 5656 §7.1).
const (
	msgNewKeys     = 21
	msgKexReply    = 31 // of all methods but the next; there it is another
	msgKexGexReply = 33
)

// kexReply returns the server's key and its signature in the first key exchange, from the first bytes that it sent. They are nil where
// they are not there.
func kexReply(words []byte) (hostKey, signature []byte) {
	words = afterVersion(words)
	for len(words) > 5 {
		size, padding := uint64(binary.BigEndian.Uint32(words)), uint64(words[4])
		if size < padding+2 || size > uint64(len(words)-4) {
			break
		}
		payload := words[5 : 4+size-padding]
		words = words[4+size:]
		switch payload[0] {
		case msgNewKeys: // what follows is encrypted
			return hostKey, signature
		case msgKexReply, msgKexGexReply:
			var reply struct{ HostKey, Public, Signature []byte }
			if ssh.Unmarshal(payload[1:], &reply) == nil {
				hostKey, signature = bytes.Clone(reply.HostKey), bytes.Clone(reply.Signature)
			}
		}
	}
	return hostKey, signature
}

// binding returns what an agent is told of the connection, of which that is the session identifier; nil: there is nothing.
func (l *Conn) binding(session []byte) *auth.Binding {
	hostKey, signature := kexReply(l.Wire.firstWords())
	if hostKey == nil {
		return nil
	}
	return &auth.Binding{HostKey: hostKey, Session: session, Signature: signature}
}

// BindAgent tells the agent at conn that from here on the server speaks. Without it an agent takes that for us, and for one who may have
// it load libraries of this machine.
func (l *Conn) BindAgent(ctx context.Context, conn net.Conn) error {
	if l.bound == nil {
		return nil
	}
	return l.bound.Forwarded(ctx, conn)
}
