package hostkey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/sshpattern"
	"github.com/tunneld/tunneld/tunnel/hostkey/sshfp"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// Keys decides for one connection attempt whether the server is the one that was meant, by the files of known hosts and the
// options around them, as OpenSSH does (sshconnect.c). It departs from OpenSSH in three places, each time to be safer:
//
//   - StrictHostKeyChecking no with a changed key: ssh connects and opens no forward. A tunnel without forwards is none,
//     so the key is refused.
//   - A key that is @revoked is always refused, even where ssh finds it only under the name without the port and goes on.
//   - VerifyHostKeyDNS trusts no key that is @revoked for the host.
type Keys struct {
	Names *sshfp.Resolver // for VerifyHostKeyDNS; never nil

	options  *config.Options
	ask      Asker
	log      *slog.Logger
	verified *VerifiedKeys // shared by all attempts; nil: none are kept
	before   verifiedHost  // what it had for this destination when the attempt began
	files    []knownHostsFile
	offered  []string // algorithms

	dns      dnsView
	accepted atomic.Pointer[acceptedKey]
	byDNS    atomic.Bool // the DNS vouches for the key, and nobody else was asked
	taken    atomic.Bool // the key was taken without a look, and nothing will tell it from another the next time
	updated  atomic.Bool // a server's list of keys was dealt with; once for a connection
}

// acceptedKey is the outcome of a check. A later key exchange on the same connection is not looked up again.
type acceptedKey struct {
	blob        []byte
	fingerprint string
	learnable   bool   // the key stands in UserKnownHostsFile or a person confirmed it, so that others may be learned by it
	address     string // the peer's address as known_hosts names it; empty where CheckHostIP does not apply
}

// Read reads the files of known hosts anew. ctx bounds KnownHostsCommand; verified and ask may be nil.
//
// The error is a *fault.Error: a permanent one of PhaseHandshake where no host key algorithm is left to offer, and a transient one
// of PhaseHostKey where KnownHostsCommand fails.
func Read(ctx context.Context, o *config.Options, verified *VerifiedKeys, ask Asker, log *slog.Logger) (*Keys, error) {
	h := &Keys{Names: new(sshfp.Resolver), options: o, ask: ask, log: log, verified: verified, before: verified.of(o)}
	for _, path := range o.UserKnownHostsFile {
		h.read(path, true)
	}
	for _, path := range o.GlobalKnownHostsFile {
		h.read(path, false)
	}
	known := h.lookup(h.name())
	if o.KnownHostsCommand != "" && !o.HostKeyAlgorithmsExact {
		// ssh passes the command the name without the port here, and believes it for that name. Where the order is written out
		// it does not ask (ssh_kex2 of sshconnect2.c): a command may insist on being told the key.
		more, err := h.runCommand(ctx, commandOrder, canonicalHost(o.HostName), nil)
		if err != nil {
			return nil, err
		}
		known = append(known, more...)
	}
	var err error
	h.offered, err = h.offer(known)
	if err != nil {
		return nil, err
	}
	return h, nil
}

func (h *Keys) read(path string, user bool) {
	lines, err := readLines(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.log.Warn("known hosts file not read", complaint(path, err, h.options.Account.Forbidden)...)
	}
	h.files = append(h.files, knownHostsFile{path: path, user: user, lines: lines, err: err})
}

// Algorithms returns HostKeyAlgorithms for ssh.ClientConfig, the ones of known keys first.
func (h *Keys) Algorithms() []string { return slices.Clone(h.offered) }

// Check reports whether key may be trusted; it is for ssh.ClientConfig.HostKeyCallback. remote is nil where the server is
// not reached directly. A new key is written to the first user file where StrictHostKeyChecking says so. ctx bounds
// KnownHostsCommand and a person's answer.
//
// The error is a *fault.Error of PhaseHostKey. It is permanent except where KnownHostsCommand failed, where a file cannot be read
// for the moment, or where ctx is done.
func (h *Keys) Check(ctx context.Context, remote net.Addr, key ssh.PublicKey) error {
	if accepted := h.accepted.Load(); accepted != nil && bytes.Equal(accepted.blob, key.Marshal()) {
		return nil
	}
	if err := h.acceptable(key); err != nil {
		return err
	}
	if h.inDNS(ctx, key) {
		h.remember(verifiedKey{key: sshkey.Plain(key), dns: true})
		h.byDNS.Store(true)
		h.accepted.Store(&acceptedKey{blob: key.Marshal()})
		return nil
	}
	if h.exempt(remote) {
		h.log.Warn("host key not checked", "why", "NoHostAuthenticationForLocalhost", "key", describeKey(key))
		h.taken.Store(true)
		h.accepted.Store(&acceptedKey{blob: key.Marshal(), fingerprint: fingerprintOf(key)})
		return nil
	}
	learnable, err := h.verify(ctx, remote, key, false)
	if err != nil {
		return err
	}
	h.accepted.Store(&acceptedKey{
		blob: key.Marshal(), fingerprint: fingerprintOf(key), learnable: learnable, address: h.checkedAddress(remote, h.options.Port),
	})
	return nil
}

// Known reports whether the server may be sent a secret that no person types: its key was known, a person vouched for it, or it has
// been written down now. It is false before Check.
func (h *Keys) Known() bool { return h.accepted.Load() != nil && !h.taken.Load() }

// Unchecked returns the fingerprint of a key that was taken without a look, by which the server can be told from one that takes its
// place; empty where Known is true, or before Check.
func (h *Keys) Unchecked() string {
	accepted := h.accepted.Load()
	if accepted == nil || h.Known() {
		return ""
	}
	return accepted.fingerprint
}

// exempt reports whether NoHostAuthenticationForLocalhost saves the server from the check: it is this machine, is reached directly
// and has no HostKeyAlias (check_host_key of sshconnect.c).
func (h *Keys) exempt(remote net.Addr) bool {
	tcp, ok := remote.(*net.TCPAddr)
	return h.options.NoHostAuthForLocalhost && h.options.HostKeyAlias == "" && ok && tcp.IP.IsLoopback() && h.direct()
}

// direct reports whether the server's own address is the one that we are connected to.
func (h *Keys) direct() bool { return h.options.Via == nil && h.options.ProxyCommand == "" }

// acceptable makes the checks that hold for every host: the size of RSA keys, the algorithms, RevokedHostKeys.
func (h *Keys) acceptable(key ssh.PublicKey) error {
	required := max(h.options.RequiredRSASize, minimumRSABits)
	if bits := sshkey.RsaBits(key); bits > 0 && bits < required {
		return h.refuse(fmt.Errorf("the server's RSA host key has %d bits, RequiredRSASize asks for %d", bits, required),
			"let the server make a longer or another key")
	}
	if !permits(h.offered, key) {
		return h.refuse(fmt.Errorf("the server shows a host key of type %s, which was not offered", key.Type()), "")
	}
	for _, path := range h.options.RevokedHostKeys {
		if err := h.notRevoked(path, key); err != nil {
			return err
		}
	}
	return nil
}

// notRevoked refuses a key that a file of RevokedHostKeys names, and any where the file cannot be read.
func (h *Keys) notRevoked(path string, key ssh.PublicKey) error {
	revoked, err := revokedByFile(path, key)
	var unread *fs.PathError
	switch {
	case errors.As(err, &unread) && (momentary(err) || len(h.before.keys) > 0):
		return h.refuseUnread(key, fmt.Errorf("RevokedHostKeys %s cannot be read: %w", path, unread.Err))
	case err != nil && len(h.before.keys) > 0: // it was in order then, and may be written anew just now
		return h.refuseUnread(key, fmt.Errorf("RevokedHostKeys cannot be used: %w", err))
	case err != nil:
		return h.refuse(fmt.Errorf("RevokedHostKeys cannot be used, so that no host key can be trusted: %w", err),
			"mend the file or take RevokedHostKeys out of the configuration")
	}
	if revoked {
		return h.refuse(fmt.Errorf("host key %s is revoked by %s", describeKey(key), path),
			"the key was given up, perhaps stolen: let the server's keeper make a new one")
	}
	return nil
}

// name returns the server's name in known_hosts.
func (h *Keys) name() string {
	if h.options.HostKeyAlias != "" {
		return sshpattern.ToLower(h.options.HostKeyAlias)
	}
	return hostKeyName(h.options.HostName, h.options.Port)
}

// certificateName returns the name that a host certificate must be made out for.
func (h *Keys) certificateName() string {
	if h.options.HostKeyAlias != "" {
		return sshpattern.ToLower(h.options.HostKeyAlias)
	}
	return canonicalHost(h.options.HostName)
}

// lookup returns the lines of all files that name the host, the user's files first.
func (h *Keys) lookup(name string) knownHosts {
	var found knownHosts
	for i := range h.files {
		found = append(found, h.files[i].lookup(name)...)
	}
	return found
}

// checkedAddress returns the peer's address as known_hosts names it, and "" where CheckHostIP does not apply: it is off, the
// peer is this machine, the way leads through another program or host, or the address is the name.
func (h *Keys) checkedAddress(remote net.Addr, port int) string {
	tcp, ok := remote.(*net.TCPAddr)
	if !h.options.CheckHostIP || !ok || tcp.IP.IsLoopback() || !h.direct() {
		return ""
	}
	address := addressName(remote, port)
	if address == hostKeyName(h.options.HostName, port) {
		return ""
	}
	return address
}
