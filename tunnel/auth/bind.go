package auth

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// Binding tells an agent for which SSH connection it is spoken to (session-bind@openssh.com, OpenSSH PROTOCOL.agent §1). It signs by a key
// that was added for certain hosts (ssh-add -h) for those alone, and does for a server, to which it is forwarded, less than for us.
type Binding struct {
	HostKey   []byte // the server's, in the wire format
	Session   []byte // identifier of the session (RFC 4253 §7.2)
	Signature []byte // by which the server proved in the first key exchange that it has the key
}

const bindExtension = "session-bind@openssh.com"

func (b *Binding) contents(forwarded bool) []byte {
	return ssh.Marshal(struct {
		HostKey, Session, Signature []byte
		Forwarded                   bool
	}{b.HostKey, b.Session, b.Signature, forwarded})
}

// maxBindAnswer is the longest answer of an agent that makes sense, in bytes (MAX_AGENT_REPLY_LEN of OpenSSH's authfd.c).
const maxBindAnswer = 256 << 10

// Forwarded tells the agent at conn that from here on the server speaks. One that does not know what that is says so, and is no error, as
// with ssh.
func (b *Binding) Forwarded(ctx context.Context, conn net.Conn) error {
	message := ssh.Marshal(struct {
		Extension string `sshtype:"27"`
		Contents  []byte `ssh:"rest"`
	}{bindExtension, b.contents(true)})
	conn.SetDeadline(time.Now().Add(agentTimeout))
	defer conn.SetDeadline(time.Time{})
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)); err != nil {
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	answer := binary.BigEndian.Uint32(size[:])
	if answer > maxBindAnswer {
		return fmt.Errorf("the agent answers with %d bytes", answer)
	}
	_, err := io.CopyN(io.Discard, conn, int64(answer))
	return err
}

// bind tells the agent for which connection we speak to it.
func (g *agentConnection) bind(ctx context.Context, b *Binding) error {
	return g.within(ctx, agentTimeout, func() error {
		_, err := g.client.Extension(bindExtension, b.contents(false))
		return err
	})
}

// bindAgent tells the agent which server the attempt logs in to. An agent that does not know what that is does without.
func (a *Attempt) bindAgent() {
	if a.Bind == nil || a.session == nil {
		return
	}
	if b := a.Bind(a.session); b != nil {
		if err := a.agent.bind(a.ctx, b); err != nil {
			a.log.Debug("agent not told of the connection", "err", err)
		}
	}
}
