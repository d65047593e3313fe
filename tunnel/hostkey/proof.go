package hostkey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// proveRequest is the global request that asks for a signature by each key (OpenSSH PROTOCOL §2.5).
const proveRequest = "hostkeys-prove-00@openssh.com"

// prove asks the server to sign with the unknown keys, and fails unless it signs with all of them. RSA keys with a kind of signature
// that is not trusted are dropped from the list.
func (a *announcement) prove(ctx context.Context, conn ssh.Conn, request Request) error {
	if len(a.unknown) == 0 {
		return nil // ssh asks for no proof where keys only go
	}
	var payload []byte
	for _, key := range a.unknown {
		payload = append(payload, ssh.Marshal(struct{ Blob []byte }{key.Marshal()})...)
	}
	ok, answer, err := request(ctx, proveRequest, payload)
	if err == nil && !ok {
		err = errors.New("refused by the server")
	}
	if err != nil {
		return fmt.Errorf("proof of host keys: %w", foreign.Error(err))
	}
	r := &wireReader{rest: answer}
	for _, key := range slices.Clone(a.unknown) {
		trusted, err := verifyProof(conn, key, r.string())
		if err != nil {
			return fmt.Errorf("proof of host key %s: %w", describeKey(key), foreign.Error(err))
		}
		if !trusted {
			a.drop(key)
		}
	}
	if r.end(); r.failed {
		return errors.New("proof of host keys: malformed answer")
	}
	return nil
}

func (a *announcement) drop(key ssh.PublicKey) {
	same := func(k ssh.PublicKey) bool { return sshkey.Same(k, key) }
	a.keys = slices.DeleteFunc(a.keys, same)
	a.unknown = slices.DeleteFunc(a.unknown, same)
}

// verifyProof checks one signature over the name of the request, the session and the key. An RSA key signs with the
// algorithm of the key exchange where that was RSA, and else with SHA-2.
func verifyProof(conn ssh.Conn, key ssh.PublicKey, blob []byte) (trusted bool, err error) {
	var signature ssh.Signature
	if err := ssh.Unmarshal(blob, &signature); err != nil {
		return false, err
	}
	if key.Type() == ssh.KeyAlgoRSA {
		negotiated := negotiatedHostKey(conn)
		switch {
		case plainKeyType(negotiated) != ssh.KeyAlgoRSA:
			if signature.Format != ssh.KeyAlgoRSASHA256 && signature.Format != ssh.KeyAlgoRSASHA512 {
				return false, nil
			}
		case signature.Format != strings.TrimSuffix(negotiated, sshkey.CertificateSuffix):
			return false, fmt.Errorf("signed with %s, not with %s", foreign.Line(signature.Format), negotiated)
		}
	}
	signed := ssh.Marshal(struct {
		Request string
		Session []byte
		Key     []byte
	}{proveRequest, conn.SessionID(), key.Marshal()})
	return true, foreign.Error(key.Verify(signed, &signature))
}

func negotiatedHostKey(conn ssh.Conn) string {
	if with, ok := conn.(ssh.AlgorithmsConnMetadata); ok {
		return with.Algorithms().HostKey
	}
	return ""
}
