package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/auth/sk"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// offer is one key before the server, and what became of it. x/crypto sees it as a signer: the private half is not touched
// before the server says that it would take the key.
type offer struct {
	authentication *Attempt
	candidate      *candidate
	algorithms     []string

	unannounced string // put before the server although it announces no signature that the key can make; empty: it does

	sent    bool  // the server has been asked about the key
	signed  bool  // the server would take it, and got a signature
	err     error // the server would take it, and there is no signature
	refused bool  // by the server
	settled bool  // the refusal or success belongs to a round that is over (partial success)
}

func newOffer(a *Attempt, key *candidate) *offer {
	return &offer{
		authentication: a,
		candidate:      key,
		algorithms:     sshkey.SignatureAlgorithms(key.public, a.options.PubkeyAcceptedAlgorithms),
	}
}

// askedKey notes when x/crypto puts the key into a packet. It does not where the server cannot verify any of the key's
// signatures.
type askedKey struct {
	ssh.PublicKey
	offer *offer
}

func (k askedKey) Marshal() []byte {
	if !k.offer.sent {
		k.offer.sent = true
		k.offer.authentication.log.Debug("offering public key", "key", k.offer.candidate.String())
	}
	return k.PublicKey.Marshal()
}

// Type returns the type by which the library looks for a signature that both sides know.
func (k askedKey) Type() string { return cmp.Or(k.offer.unannounced, k.PublicKey.Type()) }

// insist reports whether the key is to be offered once more although the library did not even ask about it, because the server
// announces no signature that the key can make (server-sig-algs, RFC 8308 §3.1). Some servers announce too little and take the key
// all the same: OpenSSH 7.4, and those whose Match User allows more than they allow everybody, which they say only in the middle
// of authentication (ext-info-in-auth, OpenSSH's PROTOCOL §1.13, which the library does not know). A key is insisted on once.
func (o *offer) insist() bool {
	if o.sent || o.unannounced != "" || sshkey.RsaBits(o.candidate.public) == 0 || o.algorithms[0] == ssh.KeyAlgoRSA {
		return false
	}
	o.unannounced = o.algorithms[0]
	if _, ok := o.candidate.public.(*ssh.Certificate); ok {
		o.unannounced += sshkey.CertificateSuffix
	}
	return true
}

// PublicKey implements ssh.Signer.
func (o *offer) PublicKey() ssh.PublicKey { return askedKey{o.candidate.public, o} }

// Algorithms implements ssh.MultiAlgorithmSigner: it returns what PubkeyAcceptedAlgorithms allows, in its order.
func (o *offer) Algorithms() []string { return o.algorithms }

// Sign implements ssh.Signer.
func (o *offer) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return o.SignWithAlgorithm(rand, data, o.algorithms[0])
}

// SignWithAlgorithm implements ssh.AlgorithmSigner. It is called when the server has accepted the public key.
func (o *offer) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	a := o.authentication
	a.log.Debug("server accepts key", "key", o.candidate.String(), "algorithm", algorithm)
	signature, err := a.sign(o.candidate, rand, data, algorithm)
	if err == nil && signature.Format != algorithm {
		err = fmt.Errorf("signature of type %s where %s was asked for", foreign.Line(signature.Format), algorithm)
	}
	o.signed, o.err = err == nil, err
	if a.ctx.Err() != nil {
		return nil, context.Cause(a.ctx)
	}
	if err != nil { // x/crypto drops it and asks for the next method (client_auth.go, clientAuthenticate)
		a.log.Warn("key not used", "key", o.candidate.String(), "err", err)
		return nil, err
	}
	return signature, nil
}

// errAgent marks the failures that are the agent's.
var errAgent = errors.New("agent")

// sign makes a signature with the private half of key, wherever it is.
func (a *Attempt) sign(key *candidate, rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	holder := a.holder(key)
	if holder.agent {
		a.pauseForPrompt(true)
		defer a.pauseForPrompt(false)
		signature, err := a.agent.sign(a.ctx, holder.public, data, algorithm)
		if err != nil {
			return nil, fmt.Errorf("the %w does not sign: %w", errAgent, err)
		}
		return signature, nil
	}
	if holder.card {
		return a.signWithCard(holder.public, data, algorithm)
	}
	signer := holder.signer
	if signer == nil {
		var err error
		if signer, err = a.private(holder.path); err != nil {
			return nil, err
		}
	}
	if !sshkey.Same(signer.PublicKey(), sshkey.Plain(key.public)) {
		return nil, fmt.Errorf("private key %s does not belong to the public key beside it", holder.path)
	}
	switch able := signer.(type) {
	case *sk.Key:
		return a.signByToken(holder, able, data)
	case ssh.AlgorithmSigner:
		return able.SignWithAlgorithm(rand, data, algorithm)
	}
	return nil, fmt.Errorf("%s: a key of a kind that does not sign", holder.path)
}

// holder finds the key whose private half signs for key: for a certificate the plain key of the same kind, from the
// agent, the card or a file, or the identity file of the same name (sign_and_send_pubkey of OpenSSH's sshconnect2.c).
func (a *Attempt) holder(key *candidate) *candidate {
	certificate, ok := key.public.(*ssh.Certificate)
	if !ok {
		return key
	}
	var listed *candidate // has the same public half, and no other
	for _, other := range a.keys {
		switch {
		case !sshkey.Same(other.public, certificate.Key):
		case other.agent, other.card, a.options.PKCS11Provider == "", holdsPrivate(other.path):
			return other
		case listed == nil:
			listed = other
		}
	}
	if !key.agent {
		for _, other := range a.keys {
			if other.public == nil && other.path != "" && other.path == key.path {
				return other
			}
		}
	}
	if held := a.cardHolder(certificate); held != nil {
		return held
	}
	return cmp.Or(listed, key)
}
