package hostkey

import (
	"context"
	"errors"
	"net"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// shownKey is a server's key beside what the files and KnownHostsCommand hold for its name and, under CheckHostIP, for
// its address.
type shownKey struct {
	key       ssh.PublicKey
	remote    net.Addr
	portless  bool // the second look, at the name without its port
	host      string
	address   string // empty where CheckHostIP does not apply
	byHost    knownHosts
	byAddress knownHosts
	invalid   *certificateError // why the certificate that it came with does not hold, though an authority is known; nil: there is none
}

// verify finds the key among the known ones, or makes it known. A certificate that no authority vouches for is judged by
// its plain key where HostKeyAlgorithms permits that, as since OpenSSH 10: anybody can make a certificate. learnable
// means that further keys of the server may be learned by it.
func (h *Keys) verify(ctx context.Context, remote net.Addr, key ssh.PublicKey, portless bool) (learnable bool, err error) {
	c, err := h.shown(ctx, remote, key, portless)
	if err != nil {
		return false, err
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		err := h.verifyCertificate(ctx, c, cert)
		if err == nil {
			h.remember(verifiedKey{key: cert.Key, authority: cert.SignatureKey})
		}
		if err == nil || final(err) {
			return false, err
		}
		errors.As(err, &c.invalid)
		if !permits(h.options.HostKeyAlgorithms, cert.Key) {
			return false, h.refuseCertificate(c, err)
		}
		h.noteCertificate(c, err)
		c.key = cert.Key
	}
	if learnable, err = h.verifyPlain(ctx, c); err == nil && !h.taken.Load() {
		h.remember(verifiedKey{key: sshkey.Plain(c.key), dns: h.dns.before})
	}
	return learnable, err
}

func (h *Keys) shown(ctx context.Context, remote net.Addr, key ssh.PublicKey, portless bool) (*shownKey, error) {
	c := &shownKey{key: key, remote: remote, portless: portless, host: h.name()}
	port := h.options.Port
	if portless {
		port = 22
		c.host = hostKeyName(h.options.HostName, port)
	}
	c.byHost = h.lookup(c.host)
	if _, certified := key.(*ssh.Certificate); !certified {
		if c.address = h.checkedAddress(remote, port); c.address != "" {
			c.byAddress = h.lookup(c.address)
		}
	}
	if portless || h.options.KnownHostsCommand == "" {
		return c, nil
	}
	more, err := h.runCommand(ctx, commandHostname, c.host, key)
	if err != nil {
		return nil, err
	}
	c.byHost = append(c.byHost, more...)
	if c.address != "" {
		more, err = h.runCommand(ctx, commandAddress, c.address, key)
		c.byAddress = append(c.byAddress, more...)
	}
	return c, err
}

func (h *Keys) verifyCertificate(ctx context.Context, c *shownKey, cert *ssh.Certificate) error {
	switch found, known := c.byHost.judge(cert); found {
	case keyRevoked:
		return h.refuseRevoked(c, known)
	case keyKnown:
		h.log.Debug("host key certified", "authority", known.source(), "serial", cert.Serial, "key_id", foreign.Line(cert.KeyId))
		return h.checkCertificate(cert)
	}
	if h.looksPortless(c) {
		_, err := h.verify(ctx, c.remote, cert, true)
		return err
	}
	if h.goodBefore(cert.Key, cert.SignatureKey) {
		return h.checkCertificate(cert)
	}
	return errors.New("no @cert-authority for " + c.host)
}

func (h *Keys) verifyPlain(ctx context.Context, c *shownKey) (learnable bool, err error) {
	found, known := c.byHost.judge(c.key)
	switch found {
	case keyRevoked:
		return false, h.refuseRevoked(c, known)
	case keyChanged:
		if err := h.unread(); err != nil { // it may hold this one, too
			return false, h.refuseUnread(c.key, err)
		}
		return false, h.refuseChanged(c, known)
	case keyKnown:
		h.log.Debug("host key known", "line", known.source())
		h.recordAddress(ctx, c, known)
		learnable = known.user && !c.addressIsGlobal()
	case keyUnknown:
		if learnable, err = h.verifyUnknown(ctx, c); err != nil {
			return false, err
		}
	}
	return learnable, h.verifyAddress(ctx, c, known)
}

// verifyUnknown looks for the key under the name without its port, then among the keys that were good before, and otherwise lets
// StrictHostKeyChecking decide.
func (h *Keys) verifyUnknown(ctx context.Context, c *shownKey) (learnable bool, err error) {
	if h.looksPortless(c) {
		if _, err := h.verify(ctx, c.remote, c.key, true); err == nil || final(err) {
			return false, err
		}
	}
	if h.goodBefore(c.key, nil) {
		return false, nil
	}
	if err := h.unread(); err != nil {
		return false, h.refuseUnread(c.key, err)
	}
	if c.portless || h.strict() == config.StrictYes {
		return false, h.refuseUnknown(c)
	}
	if !h.recordable() {
		return false, h.refuseUnrecordable(c)
	}
	asked := h.strict() == config.StrictAsk
	if asked {
		if err := h.confirm(ctx, c, h.newKeyPrompt(c), fingerprintOf(c.key)); err != nil {
			return false, err
		}
	}
	if !h.recordHost(ctx, c) && !asked {
		h.taken.Store(true)
	}
	return asked, nil
}

// looksPortless reports whether a key that is unknown for the name with its port may be known for the name alone.
func (h *Keys) looksPortless(c *shownKey) bool {
	return !c.portless && h.options.HostKeyAlias == "" && h.options.Port != 22
}

// verifyAddress makes the check that CheckHostIP adds: the key must not contradict the one that is known for the address.
func (h *Keys) verifyAddress(ctx context.Context, c *shownKey, byHost *knownHost) error {
	if c.address == "" {
		return nil
	}
	found, known := c.byAddress.judge(c.key)
	switch {
	case found == keyRevoked:
		return h.refuseRevoked(c, known)
	case found != keyChanged:
		return nil
	case h.strict() == config.StrictAsk:
		return h.confirm(ctx, c, h.addressPrompt(c, byHost, known), "")
	case h.strict() == config.StrictNo:
		h.log.Warn("host key differs from the one of the address", "name", c.host, "address", c.address, "line", known.source())
		return nil
	}
	return h.refuseAddress(c, known)
}

// addressIsGlobal reports whether the key is known for the address by a global file, which forbids learning.
func (c *shownKey) addressIsGlobal() bool {
	found, known := c.byAddress.judge(c.key)
	return found == keyKnown && !known.user && !known.command
}

// strict returns StrictHostKeyChecking, with yes in the place of ask where nobody can be asked. Options that hold nothing, which
// config never returns, are as strict.
func (h *Keys) strict() config.StrictHostKeyChecking {
	strict := h.options.StrictHostKeyChecking
	if strict == config.StrictAsk && (h.ask == nil || h.options.BatchMode) || strict == "" {
		return config.StrictYes
	}
	return strict
}

// confirm asks a person, who may type also instead of yes; empty: not. A no is a permanent refusal, the end of ctx is not.
func (h *Keys) confirm(ctx context.Context, c *shownKey, prompt, also string) error {
	yes, err := h.ask.Confirm(ctx, prompt, also)
	if ctx.Err() != nil {
		return h.interrupted(ctx.Err())
	}
	if err != nil {
		h.log.Debug("nobody answered for the host key", "err", err)
		return h.refuseUnknown(c)
	}
	if !yes {
		return h.refuse(errors.New("host key "+describeKey(c.key)+" was not confirmed"), "")
	}
	return nil
}

// final reports whether another look at the key, as a plain one or under another name, is out of the question.
func final(err error) bool {
	var revoked *revokedError
	var invalid *certificateError
	return errors.As(err, &revoked) || err != nil && fault.PhaseOf(err) != "" && !fault.IsPermanent(err) && !errors.As(err, &invalid)
}
