package hostkey

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// UpdateHostKeys: after authentication an OpenSSH server names all its host keys (hostkeys-00@openssh.com, PROTOCOL §2.5),
// so that the client learns the new ones before the old ones go. When to believe it is decided as in
// client_input_hostkeys of OpenSSH's clientloop.c.

// Announcement is the global request that announces keys.
const Announcement = "hostkeys-00@openssh.com"

// maxHostKeys is how many keys one server may announce; a real one has at most one of each type.
const maxHostKeys = 64

// AnnouncedKeys returns the keys, in the wire format, that the payload of a hostkeys-00@openssh.com request holds.
func AnnouncedKeys(payload []byte) ([][]byte, error) {
	var keys [][]byte
	r := &wireReader{rest: payload}
	for len(r.rest) > 0 {
		key := r.string()
		if r.failed {
			return nil, errors.New("malformed list of host keys")
		}
		if len(keys) == maxHostKeys {
			return nil, fmt.Errorf("the server announces more than %d host keys", maxHostKeys)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Request sends a global request and returns the answer (RFC 4254 §4). It waits for that until ctx is done, whatever
// x/crypto does, whose own SendRequest knows no limit.
type Request func(ctx context.Context, name string, payload []byte) (ok bool, answer []byte, err error)

// Update learns the keys of a hostkeys-00@openssh.com request and forgets those that the server no longer has, where UpdateHostKeys
// allows it and the server was known by a plain key of UserKnownHostsFile. New keys are believed only with the server's signature,
// for which request asks. Update waits for that until ctx is done, and does nothing when it is called again for the connection.
//
// An error is for the log: the connection is as good as before.
func (h *Keys) Update(ctx context.Context, conn ssh.Conn, request Request, keys [][]byte) error {
	accepted := h.accepted.Load()
	files := h.options.UserKnownHostsFile
	if h.options.UpdateHostKeys != config.UpdateYes || accepted == nil || !accepted.learnable || len(files) == 0 {
		return nil
	}
	if h.updated.Swap(true) {
		return nil
	}
	announced, err := h.usableKeys(keys)
	if err != nil || len(announced) == 0 {
		return err
	}
	a := &announcement{host: h.name(), address: accepted.address, keys: announced}
	if err := a.compare(files); err != nil {
		return err
	}
	if !a.changesAnything() {
		return nil
	}
	if a.obstacle != "" {
		h.log.Debug("host keys of the server not learned", "why", a.obstacle)
		return nil
	}
	if err := a.prove(ctx, conn, request); err != nil {
		return err
	}
	return h.replace(ctx, a, files)
}

// usableKeys leaves out what cannot be read, what the options do not permit, and certificates.
func (h *Keys) usableKeys(blobs [][]byte) ([]ssh.PublicKey, error) {
	var keys []ssh.PublicKey
	for _, blob := range blobs {
		key, err := parseKeyBlob(blob)
		if err != nil {
			h.log.Debug("host key of the server not read", "err", foreign.Error(err))
			continue
		}
		if _, certified := key.(*ssh.Certificate); certified || !permits(h.options.HostKeyAlgorithms, key) {
			continue
		}
		if slices.ContainsFunc(keys, func(k ssh.PublicKey) bool { return sshkey.Same(k, key) }) {
			return nil, fmt.Errorf("the server announces host key %s twice", describeKey(key))
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// replace writes the keys to the first file; then the other files of the user lose the host's lines, as with ssh. Where the
// first cannot take them, the others stay as they are, so that the host does not become unknown.
func (h *Keys) replace(ctx context.Context, a *announcement, files []string) error {
	if _, err := os.Stat(files[0]); err != nil && len(files) > 1 {
		h.log.Debug("host keys of the server not learned", "err", err)
		return nil
	}
	for i, file := range files {
		r := replacement{host: a.host, address: a.address, hash: h.options.HashKnownHosts}
		if i == 0 {
			r.keys = a.keys
		}
		if err := replaceKnownHosts(ctx, file, r); err != nil {
			return fmt.Errorf("host keys of the server not added to known_hosts: %w", err)
		}
	}
	h.log.Info(a.learned(), "name", a.host, "new", describeKeys(a.unknown), "gone", describeKeys(a.gone))
	return nil
}

// learned says in words what has become of the server's keys in known_hosts.
func (a *announcement) learned() string {
	switch n := len(a.unknown); {
	case n == 0:
		return "the server has given up host keys, taken out of known_hosts"
	case n == 1:
		return "learned another host key of the server"
	default:
		return fmt.Sprintf("learned %d other host keys of the server", n)
	}
}

func describeKeys(keys []ssh.PublicKey) string {
	var texts []string
	for _, key := range keys {
		texts = append(texts, describeKey(key))
	}
	return strings.Join(texts, ", ")
}

// announcement is a server's list of keys beside what the user's files hold.
type announcement struct {
	host     string
	address  string // empty where CheckHostIP does not apply
	keys     []ssh.PublicKey
	unknown  []ssh.PublicKey // announced, and in no line of the host
	gone     []ssh.PublicKey // in lines of the host, and not announced
	obstacle string          // why the files had better be left alone
}

func (a *announcement) changesAnything() bool { return len(a.unknown)+len(a.gone) > 0 }

// compare reads the user's files. Lines that a person wrote by hand, with patterns, markers or more than two names, are an obstacle,
// and so are keys that also stand under other names: which of them would be meant?
func (a *announcement) compare(files []string) error {
	held := make([]bool, len(a.keys))
	var elsewhere []ssh.PublicKey // keys of lines that do not name the host
	for _, file := range files {
		lines, err := readKnownHosts(file)
		if err != nil {
			return err
		}
		for _, text := range lines {
			line, ok := parseKnownHostsLine(text)
			if !ok {
				continue
			}
			key, err := parseKeyText(line.key)
			if err != nil {
				continue
			}
			if !a.names(line) {
				elsewhere = append(elsewhere, key)
				continue
			}
			a.compareLine(line, key, held)
		}
	}
	for i, key := range a.keys {
		if !held[i] {
			a.unknown = append(a.unknown, key)
		}
	}
	for _, key := range elsewhere {
		same := func(k ssh.PublicKey) bool { return sshkey.Same(k, key) }
		if slices.ContainsFunc(a.keys, same) || slices.ContainsFunc(a.gone, same) {
			a.obstacle = "host key " + describeKey(key) + " stands under another name too"
		}
	}
	return nil
}

func (a *announcement) names(line knownHostsLine) bool {
	return matchNames(line.hosts, a.host) || a.address != "" && matchNames(line.hosts, a.address)
}

func (a *announcement) compareLine(line knownHostsLine, key ssh.PublicKey, held []bool) {
	if line.marker != markNone {
		a.obstacle = "a line for the host has a marker"
		return
	}
	if a.address != "" && strings.Contains(line.hosts, ",") &&
		!(matchNames(line.hosts, a.host) && matchNames(line.hosts, a.address)) {
		a.obstacle = "a line names the host or its address beside others"
		if !matchNames(line.hosts, a.host) {
			return
		}
	}
	if strings.ContainsAny(line.hosts, "*?") || strings.Count(line.hosts, ",") > 1 {
		a.obstacle = "a line for the host has patterns or more than two names"
		return
	}
	if i := slices.IndexFunc(a.keys, func(k ssh.PublicKey) bool { return sshkey.Same(k, key) }); i >= 0 {
		held[i] = true
		return
	}
	a.gone = append(a.gone, key)
}
