package hostkey

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// A daemon reads the files of known hosts at each reconnect, for years: also while their network file system is away, while an editor
// is rewriting them, or when no descriptor is left. ssh reads them once in its life. Hence two departures from it:
//
//   - A key that this process has found good is good for the same destination under the same settings, unless a file that can
//     be read says otherwise: holds another key for the name, or revokes this one.
//   - Where a file cannot be read for a moment, a key that is in no other is refused for now, and not for good, and is not
//     taken for a new one.

// VerifiedKeys are the host keys that this process has found good, by destination. The zero value is empty and ready to use; nil
// keeps none. It is safe for concurrent use.
type VerifiedKeys struct {
	mu    sync.Mutex // guards hosts and all in them
	hosts map[string]*verifiedHost
}

// verifiedHost is one destination under one set of settings.
type verifiedHost struct {
	keys  []verifiedKey
	files []string // of known hosts, that could be read then
}

// verifiedKey is a key that was good for itself, because an authority has certified it, or because the DNS vouched for it.
type verifiedKey struct {
	key       ssh.PublicKey // without its certificate
	authority ssh.PublicKey // nil: for itself
	dns       bool
}

// maxVerified is how many keys of one destination are kept; a server has one for each algorithm.
const maxVerified = 16

// destinationOf returns what a verified key is good for, as a key of a map: the server, the way to it, and every setting that had a
// part in the judgement.
func destinationOf(o *config.Options) string {
	var way []string
	for via := o.Via; via != nil; via = via.Via {
		way = append(way, via.Peer(), via.HostKeyAlias)
	}
	return fmt.Sprintf("%q %d %q %q %q / %q %q %q %q / %q %q %q %v %v %q", o.HostName, o.Port, o.HostKeyAlias, way, o.ProxyCommand,
		o.StrictHostKeyChecking, o.UserKnownHostsFile, o.GlobalKnownHostsFile, o.KnownHostsCommand,
		o.HostKeyAlgorithms, o.CASignatureAlgorithms, o.RevokedHostKeys, o.RequiredRSASize, o.CheckHostIP, o.VerifyHostKeyDNS)
}

// of returns what is kept for a destination; it is a copy.
func (v *VerifiedKeys) of(o *config.Options) verifiedHost {
	if v == nil {
		return verifiedHost{}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	host := v.hosts[destinationOf(o)]
	if host == nil {
		return verifiedHost{}
	}
	return verifiedHost{slices.Clone(host.keys), slices.Clone(host.files)}
}

// add keeps a key, and which files could be read when it was found good.
func (v *VerifiedKeys) add(o *config.Options, key verifiedKey, files []string) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.hosts == nil {
		v.hosts = make(map[string]*verifiedHost)
	}
	destination := destinationOf(o)
	host := v.hosts[destination]
	if host == nil {
		host = &verifiedHost{}
		v.hosts[destination] = host
	}
	for _, file := range files {
		if !slices.Contains(host.files, file) {
			host.files = append(host.files, file)
		}
	}
	if !host.has(key) {
		host.keys = append(host.keys[max(0, len(host.keys)-maxVerified+1):], key)
	}
}

func (h verifiedHost) has(key verifiedKey) bool {
	return slices.ContainsFunc(h.keys, func(k verifiedKey) bool {
		return sshkey.Same(k.key, key.key) && k.dns == key.dns && (k.authority == nil) == (key.authority == nil) &&
			(k.authority == nil || sshkey.Same(k.authority, key.authority))
	})
}

// first moves the algorithms of keys that were good before to the front, for when no file says which are known.
func (h verifiedHost) first(algorithms []string) []string {
	var front, rest []string
	for _, name := range algorithms {
		fits := slices.ContainsFunc(h.keys, func(k verifiedKey) bool {
			return plainKeyType(name) == plainKeyType(k.key.Type()) && isCertificateType(name) == (k.authority != nil)
		})
		if fits {
			front = append(front, name)
		} else {
			rest = append(rest, name)
		}
	}
	return append(front, rest...)
}

// remember keeps a key that was found good.
func (h *Keys) remember(key verifiedKey) {
	var read []string
	for i := range h.files {
		if h.files[i].err == nil {
			read = append(read, h.files[i].path)
		}
	}
	h.verified.add(h.options, key, read)
}

// goodBefore reports whether this process has found the key good before, and logs it, because the files no longer say so. What the
// DNS has vouched for is good while it does not answer.
func (h *Keys) goodBefore(key, authority ssh.PublicKey) bool {
	one := verifiedKey{key: sshkey.Plain(key), authority: authority}
	why := "no file of known hosts holds it any more"
	if !h.before.has(one) {
		one.dns, why = true, "the DNS, which vouched for it, does not answer"
		if authority != nil || h.dns.failed == nil || !h.before.has(one) {
			return false
		}
		h.dns.before = true
	}
	if err := h.unread(); err != nil {
		why = err.Error()
	}
	h.log.Warn("host key accepted, because it was good before", "key", describeKey(key), "why", why)
	return true
}

// unread returns why the files of known hosts may soon say more than they do now; nil: they say all that they will. A file that never
// was there, or that this process may not read, will not say more; one that could be read before will be readable again.
func (h *Keys) unread() error {
	var all []error
	var texts []string
	for i := range h.files {
		f := &h.files[i]
		if f.err != nil && (momentary(f.err) || slices.Contains(h.before.files, f.path)) {
			all = append(all, f.err)
			texts = append(texts, fmt.Sprintf("%s cannot be read: %v", f.path, fileReason(f.err)))
		}
	}
	if all == nil {
		return nil
	}
	return &fault.PlainError{Text: strings.Join(texts, "; "), Err: errors.Join(all...)}
}

// refuseUnread refuses a key for now, because of what unread says.
func (h *Keys) refuseUnread(key ssh.PublicKey, err error) error {
	return h.interrupted(fmt.Errorf("host key %s cannot be checked now: %w", describeKey(key), err))
}

// momentary reports whether a failure to read a file may pass by itself, unlike one that the state of the file causes.
func momentary(err error) bool {
	for _, lasting := range []error{fs.ErrNotExist, fs.ErrPermission, syscall.EISDIR, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	return true
}

// fileReason returns the cause without the path, which the message names already.
func fileReason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
