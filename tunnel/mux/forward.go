package mux

import (
	"context"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// The kinds of forward in C_OPEN_FWD and C_CLOSE_FWD.
const (
	forwardLocal   = 1
	forwardRemote  = 2
	forwardDynamic = 3
)

// streamLocal is the port (-2) that says that the host is the path of a Unix socket.
const streamLocal = 0xfffffffe

// maxHost bounds what a client may call a host or a path: a name has 255 bytes at most, a socket's path 107. A server may take
// what is much longer for an attack, and end the connection that others ride on.
const maxHost = 1024

// socksHost is where a forward leads that leads where its clients say.
const socksHost = "socks"

// openForward answers a C_OPEN_FWD. One that is there already is granted without a word, the configured ones included: a
// stock client asks for each forward of its own configuration before it asks for a session.
func (c *client) openForward(ctx context.Context, id uint32, rest fields) bool {
	f, ok, wellFormed := readForward(rest)
	if !ok {
		return wellFormed && c.fail(id, "Invalid forwarding request")
	}
	here, stop := c.whileHere(ctx)
	port, err := c.master.tunnel.Forward(here, f)
	stop()
	if err != nil {
		c.master.log.Warn("forward that a client asked for not opened", "err", err)
		return c.fail(id, forwardFailure(f))
	}
	if f.Kind == config.Remote && f.Listen.Port == 0 && !f.Listen.IsUnix() {
		return c.send(newMessage(answerRemotePort, id, uint32(port))) == nil
	}
	return c.ok(id)
}

// forwardFailure words it as OpenSSH's master does.
func forwardFailure(f config.Forward) string {
	switch {
	case f.Kind != config.Remote:
		return "Port forwarding failed"
	case f.Listen.IsUnix():
		return fmt.Sprintf("remote port forwarding failed for listen path %s", f.Listen.Path)
	}
	return fmt.Sprintf("remote port forwarding failed for listen port %d", f.Listen.Port)
}

// closeForward answers a C_CLOSE_FWD.
func (c *client) closeForward(ctx context.Context, id uint32, rest fields) bool {
	f, ok, wellFormed := readForward(rest)
	if !ok {
		return wellFormed && c.fail(id, "Invalid forwarding request")
	}
	here, stop := c.whileHere(ctx)
	err := c.master.tunnel.Cancel(here, f)
	stop()
	if err != nil {
		return c.fail(id, err.Error())
	}
	return c.ok(id)
}

// readForward reads what C_OPEN_FWD and C_CLOSE_FWD have behind their ids. It is not well-formed where fields are missing,
// and not ok where what they say is no forward.
func readForward(rest fields) (f config.Forward, ok, wellFormed bool) {
	var kind, listenPort, targetPort uint32
	var listenHost, targetHost string
	wellFormed = rest.numbers(&kind) && rest.texts(&listenHost) && rest.numbers(&listenPort) &&
		rest.texts(&targetHost) && rest.numbers(&targetPort)
	if !wellFormed {
		return f, false, false
	}
	f.Listen, ok = endpoint(listenHost, listenPort)
	f.Listen.HostSet = listenHost != "" && !f.Listen.IsUnix()
	switch {
	case kind == forwardLocal:
		f.Kind = config.Local
	case kind == forwardRemote:
		f.Kind = config.Remote
	case kind == forwardDynamic:
		f.Kind = config.Dynamic
	default:
		return f, false, true
	}
	if f.Kind != config.Remote && f.Listen.Port == 0 && !f.Listen.IsUnix() {
		ok = false
	}
	if f.Kind == config.Dynamic || f.Kind == config.Remote && targetHost == socksHost && targetPort == 0 {
		return f, ok, true
	}
	target, sound := endpoint(targetHost, targetPort)
	f.Target = target
	return f, ok && sound && (target.IsUnix() || target.Port != 0 && target.Host != ""), true
}

// endpoint reads one end of a forward. The path of a socket stays as the client has typed it: where it is relative, it is in the
// directory that the tunnel was started in, as with ssh's own master, since a client does not say where it is.
func endpoint(host string, port uint32) (e config.Endpoint, ok bool) {
	switch {
	case len(host) > maxHost:
		return e, false
	case port == streamLocal:
		return config.Endpoint{Path: host}, host != ""
	case port > 65535:
		return e, false
	}
	return config.Endpoint{Host: host, HostSet: true, Port: int(port)}, true
}

// openPayload returns the channel type and the payload that reach a target (RFC 4254 §7.2, OpenSSH PROTOCOL §2.4). The
// originator is what OpenSSH's master says.
func openPayload(host string, port uint32) (kind string, payload []byte) {
	if port == streamLocal {
		return "direct-streamlocal@openssh.com", ssh.Marshal(struct {
			Path      string
			Reserved0 string
			Reserved1 uint32
		}{Path: host})
	}
	return "direct-tcpip", ssh.Marshal(struct {
		Host           string
		Port           uint32
		OriginatorHost string
		OriginatorPort uint32
	}{host, port, "127.0.0.1", 65535})
}
