package sshconn

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/hook"
	"github.com/tunneld/tunneld/tunnel/hostkey"
)

// clientVersion is how we introduce ourselves (RFC 4253 §4.2).
const clientVersion = "SSH-2.0-tunneld"

// ownVersion returns how we introduce ourselves to this server.
func ownVersion(o *config.Options) string {
	if o.VersionAddendum == "" {
		return clientVersion
	}
	return clientVersion + " " + o.VersionAddendum
}

// Step is one thing that was done on the way to a connection, for `tunneld check`.
type Step struct {
	Name   string        // "before connect", "dns", "tcp", "proxy command", "jump", "key exchange", "host key" or "authentication"
	Host   string        // user@host:port of the hop
	Took   time.Duration //
	Detail string        // one line; may be empty
	Err    error         // nil: it went well
}

// Dialer makes connections. Its fields are set before the first use and not changed afterwards; several goroutines may
// Dial at the same time.
type Dialer struct {
	Credentials *auth.Credentials // shared by all hops
	Ask         Asker             // for host keys; nil: nobody can be asked
	Log         *slog.Logger
	Trace       func(Step) // called as each step ends, from the goroutine that dials; nil: nobody wants to know
	Name        string     // of the tunnel, for TunneldBeforeConnect; empty: the alias
	Shell       string     // runs ProxyCommand and TunneldBeforeConnect, as $SHELL does for ssh(1); empty: /bin/sh

	verified hostkey.VerifiedKeys  // host keys that were good before
	once     once                  // which servers were said to have weak key exchanges
	before   hook.Shared[struct{}] // runs of TunneldBeforeConnect
	overdue  overdue               // attempts that wait for a file

	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error) // nil: names.Lookup
}

// Dial makes one attempt at an authenticated connection, through all jump hosts. ConnectTimeout of the destination is
// the one deadline over name look-up, TCP, key exchanges and authentications; the time that a person takes to answer does
// not count. What an unsuccessful attempt opened is closed when it returns, unless that waits for a file. Its errors are *Error, or
// ctx's own.
func (d *Dialer) Dial(ctx context.Context, o *config.Options) (*Conn, error) {
	ctx, limit := withDeadline(ctx, o.ConnectTimeout)
	defer limit.stop()
	a := newAttempt(d, limit, o)
	a.link.destination = true
	return d.overdue.bound(ctx, o, a.connect)
}

// attempt connects to one host: the destination of a Dial, or a jump host before it. All of them share one deadline.
type attempt struct {
	dialer  *Dialer
	limit   *deadline
	options *config.Options // of this host
	log     *slog.Logger    // names this host
	link    *Conn           // what the attempt has so far
}

func newAttempt(d *Dialer, limit *deadline, o *config.Options) *attempt {
	return &attempt{
		dialer:  d,
		limit:   limit,
		options: o,
		log:     d.Log.With("host", o.Address(), "user", o.User),
		link:    &Conn{Info: Server{User: o.User, Host: o.HostName, Port: o.Port}},
	}
}

// connect makes the connection, through jump hosts where there are some.
func (a *attempt) connect(ctx context.Context) (*Conn, error) {
	settings, err := algorithms(a.options, a.log)
	if err != nil {
		return nil, err
	}
	if err := a.prepare(ctx); err != nil {
		return nil, err
	}
	conn, err := a.reach(ctx)
	if err != nil {
		return nil, err
	}
	l := a.link
	l.Wire = NewWire(conn)
	l.Wire.most.Store(loginSize)
	if l.Via != nil {
		l.Via.Wire.OnDead(func() { l.Wire.fail(fmt.Errorf("jump host %s: %w", l.Via.Info.name(), l.Via.Wire.err())) })
	}
	l.keys.askedFor(a.options)
	if err := a.login(ctx, settings); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// reach makes the byte stream to the server: a TCP connection, a ProxyCommand, or a channel of the jump host.
func (a *attempt) reach(ctx context.Context) (net.Conn, error) {
	l := a.link
	switch {
	case a.options.Via != nil:
		via, err := newAttempt(a.dialer, a.limit, a.options.Via).connect(ctx)
		if err != nil {
			return nil, err
		}
		conn, err := a.throughJump(ctx, via)
		if err != nil {
			via.Close()
			return nil, err
		}
		l.Via, l.Info.Via = via, append(via.Info.Via, via.Info.name())
		return conn, nil
	case a.options.ProxyCommand != "":
		proxy, err := a.throughProxy()
		if err != nil {
			return nil, err
		}
		l.proxy, l.Info.Via = proxy, []string{"proxy command"}
		return proxy, nil
	}
	conn, err := a.dialTCP(ctx)
	if err != nil {
		return nil, err
	}
	l.Info.Address = conn.RemoteAddr().String()
	return conn, nil
}

// login exchanges keys over the wire, checks the host key, authenticates, and fills in the rest of the link.
func (a *attempt) login(ctx context.Context, settings ssh.Config) error {
	l := a.link
	hostKeys, err := hostkey.Read(ctx, a.options, &a.dialer.verified, a.limit.exempt(a.dialer.Ask), a.log)
	if err != nil {
		return err
	}
	auth, err := a.dialer.Credentials.Begin(ctx, a.options, a.log)
	if err != nil {
		return err
	}
	defer auth.Close()
	auth.OnPrompt, auth.Dead = a.limit.pauseForPrompt, l.Wire.Dead
	auth.Known, auth.Unchecked, auth.Destination = hostKeys.Known, hostKeys.Unchecked, l.destination
	auth.Bind = l.binding

	h := &handshake{attempt: a, auth: auth, offered: settings.KeyExchanges, begun: time.Now()}
	client := &ssh.ClientConfig{
		Config:            settings,
		User:              a.options.User,
		ClientVersion:     ownVersion(a.options),
		HostKeyAlgorithms: hostKeys.Algorithms(),
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			return h.hostKey(ctx, hostKeys, key)
		},
	}
	auth.Configure(client)
	h.follow(client)

	stop := context.AfterFunc(ctx, func() { l.Wire.fail(context.Cause(ctx)) })
	conn, chans, reqs, err := ssh.NewClientConn(l.Wire, a.options.Address(), client)
	if !stop() && err == nil { // the deadline passed at the last moment
		err = context.Cause(ctx)
	}
	if err = h.end(ctx, err); err != nil {
		return err
	}
	l.Wire.most.Store(0)
	l.bound = l.binding(conn.SessionID())
	l.Wire.forgetWords()
	l.Conn, l.Chans, l.Reqs, l.HostKeys = conn, chans, reqs, hostKeys
	l.Info.CertExpiry = auth.CertExpiry()
	l.describe(a.log, a.options.HostName, auth.Method())
	l.Guard()
	return nil
}

// describe notes what was agreed upon with host, which took the login by this method.
func (l *Conn) describe(log *slog.Logger, host, method string) {
	l.Info.Version = foreign.Line(string(l.Conn.ServerVersion()))
	if c, ok := l.Conn.(ssh.AlgorithmsConnMetadata); ok {
		a := c.Algorithms()
		l.Info.Kex, l.Info.HostKey = a.KeyExchange, a.HostKey
		l.Info.Cipher, l.Info.MAC = a.Write.Cipher, a.Write.MAC
	}
	log.Debug("authenticated", "host", host, "address", l.Info.Address, "method", method, "version", l.Info.Version, "kex", l.Info.Kex,
		"cipher", l.Info.Cipher, "mac", l.Info.MAC, "host_key", l.Info.HostKey, "fingerprint", l.Info.Fingerprint)
}

// trace reports a step that has ended.
func (a *attempt) trace(name string, begun time.Time, detail string, err error) {
	if trace := a.dialer.Trace; trace != nil && !a.limit.isOver() {
		trace(Step{Name: name, Host: a.options.Peer(), Took: time.Since(begun), Detail: detail, Err: err})
	}
}

// where returns user@host:port.
func where(user, host string, port int) string {
	return user + "@" + net.JoinHostPort(host, strconv.Itoa(port))
}
