package sshconn

import (
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/hostkey"
)

// Server is the other end of a connection, as it turned out to be.
type Server struct {
	User        string
	Host        string       // HostName as configured
	Port        int          //
	Address     string       // IP:port that was reached; empty behind a ProxyCommand or a jump host
	Version     foreign.Text // as the server says it, for example "SSH-2.0-OpenSSH_9.2"
	Kex         string       // negotiated algorithms, as RFC 4253 names them
	Cipher      string       //
	MAC         string       // empty where the cipher brings its own
	HostKey     string       // algorithm of the host key
	Fingerprint string       // of the host key, "SHA256:…" as ssh-keygen -l prints it
	Via         []string     // user@host:port of the jump hosts, the first to be connected to first; or "proxy command"
	CertExpiry  time.Time    // when the user certificate that was accepted ends; zero: none, or it has no end
}

// Conn is one authenticated SSH connection: what a session is made of. Whoever gets one from Dialer.Dial must serve Chans
// and Reqs until they are closed, and call Close.
type Conn struct {
	Conn     ssh.Conn
	Chans    <-chan ssh.NewChannel
	Reqs     <-chan *ssh.Request
	Wire     *wire
	Via      *Conn         // the jump host this connection goes through; nil: none
	proxy    *proxyProcess // the ProxyCommand it goes through; nil: none
	HostKeys *hostkey.Keys // as read for this connection; for its update
	Info     Server
	keys     keyAge
	bound    *auth.Binding // what an agent is told that is forwarded; nil: nothing is

	destination bool // it leads to where the tunnel ends, and not to a jump host
}

// Close ends the connection: the wire, then the jump hosts and the ProxyCommand under it. It may be called more than once
// and from several goroutines. It does not wait for the SSH library, nor longer than flushTime for each hop and
// proxyGrace for a ProxyCommand that does not want to end.
func (l *Conn) Close() error {
	l.Wire.Close()
	if l.Via != nil {
		l.Via.Close()
	}
	if l.proxy != nil {
		l.proxy.stop()
	}
	return nil
}

// Err returns why the connection ended, in words for people, nil while it is alive. It is the first error met on the wire;
// a disconnect message of the server is only known to Conn.Wait.
func (l *Conn) Err() error { return lost(l.Wire.err()) }

// OpenChannel is ssh.Conn's, and calls asked when the request is on its way to the server, ahead of all that is written after
// that. The call may be late, where the server does not read, and never come, where the connection ends. asked may be nil.
func (l *Conn) OpenChannel(kind string, payload []byte, asked func()) (ssh.Channel, <-chan *ssh.Request, error) {
	if asked != nil {
		l.Wire.afterWrite(asked) // which is the request: nothing else is written in these few microseconds, in practice
	}
	return l.Conn.OpenChannel(kind, payload)
}

// Guard makes the death of the wire known to the SSH library's writers before its reader learns of it: a write fails, and the
// library refuses every later one. Without it, an OpenChannel waits for ever if it comes after the library has cleared its
// channels (mux.go:218) and before it has noted the error (handshake.go:255). What Guard cannot prevent is released after the
// end.
func (l *Conn) Guard() {
	l.Wire.OnDead(func() { go l.release() })
	l.Wire.OnDead(func() { l.Conn.SendRequest("wire-is-dead@tunneld", false, nil) })
}

// name returns user@host:port.
func (s Server) name() string { return where(s.User, s.Host, s.Port) }
