package hostkey

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/tunnel/sshkey"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// FuzzHostKeysAnnounced reads the payload of hostkeys-00@openssh.com.
func FuzzHostKeysAnnounced(f *testing.F) {
	key := string(wireString(string(testKey(f, "ed25519 a").Marshal())))
	f.Add([]byte(key + string(wireString(string(testKey(f, "rsa a").Marshal())))))
	f.Add([]byte(key + key))
	f.Add([]byte(key + "\x00\x00\x00\x00"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Add([]byte(strings.Repeat("\x00\x00\x00\x00", maxHostKeys+1)))
	f.Add(wireString(string(testCertificate(f, "ed25519 a", "ecdsa ca", nil).Marshal())))
	o := hostOptions(f, 22, writeLines(f))
	f.Fuzz(func(t *testing.T, payload []byte) {
		keys, err := AnnouncedKeys(payload)
		sshtest.Plain(t, err)
		if err != nil {
			return
		}
		var again []byte
		for _, key := range keys {
			again = append(again, wireString(string(key))...)
		}
		if len(keys) > maxHostKeys || !bytes.Equal(again, payload) {
			t.Fatalf("%x was read as %d keys: %x", payload, len(keys), keys)
		}
		h := newTestHostKeys(t, o, nil)
		usable, err := h.usableKeys(keys)
		sshtest.Plain(t, err)
		for i, key := range usable {
			if _, certified := key.(*ssh.Certificate); certified || slices.ContainsFunc(usable[:i], func(k ssh.PublicKey) bool { return sshkey.Same(k, key) }) {
				t.Fatalf("%x gives %v", payload, usable)
			}
		}
	})
}

// proofConn is a connection whose session and host key algorithm are known.
type proofConn struct {
	ssh.Conn
	algorithm string
}

func (c proofConn) SessionID() []byte { return []byte("session") }

func (c proofConn) Algorithms() ssh.NegotiatedAlgorithms {
	return ssh.NegotiatedAlgorithms{HostKey: c.algorithm}
}

// FuzzProof reads the answer to hostkeys-prove-00@openssh.com: nothing but the key's own signature over this session is taken.
func FuzzProof(f *testing.F) {
	signers := []ssh.Signer{testSigner(f, "ed25519 a"), testSigner(f, "ecdsa a"), testSigner(f, "rsa a")}
	genuine := map[string][]byte{} // what is signed, by the blob of the signature's own bytes
	for i, signer := range signers {
		signed := ssh.Marshal(struct {
			Request string
			Session []byte
			Key     []byte
		}{proveRequest, []byte("session"), signer.PublicKey().Marshal()})
		signature, err := signer.(ssh.AlgorithmSigner).SignWithAlgorithm(zeros{}, signed, ssh.KeyAlgoRSASHA512)
		if i < 2 {
			signature, err = signer.Sign(zeros{}, signed)
		}
		if err != nil {
			f.Fatal(err)
		}
		genuine[string(signature.Blob)] = signed
		f.Add(i, ssh.KeyAlgoED25519, ssh.Marshal(signature))
		f.Add(i, ssh.KeyAlgoRSASHA512, ssh.Marshal(signature))
	}
	f.Add(0, "", []byte{})
	f.Add(2, ssh.KeyAlgoRSASHA256, ssh.Marshal(&ssh.Signature{Format: ssh.KeyAlgoRSA, Blob: make([]byte, 256)}))
	f.Fuzz(func(t *testing.T, which int, algorithm string, blob []byte) {
		if which < 0 || which >= len(signers) {
			t.Skip()
		}
		key := signers[which].PublicKey()
		trusted, err := verifyProof(proofConn{algorithm: algorithm}, key, blob)
		sshtest.Plain(t, err)
		if !trusted || err != nil || key.Type() == ssh.KeyAlgoECDSA256 { // an ECDSA signature has a twin
			return
		}
		var signature ssh.Signature
		if err := ssh.Unmarshal(blob, &signature); err != nil || genuine[string(signature.Blob)] == nil {
			t.Errorf("%x was taken for a proof of %s", blob, key.Type())
		}
	})
}

// zeros is a source of randomness that has none.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
