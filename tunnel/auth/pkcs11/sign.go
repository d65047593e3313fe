package pkcs11

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // of servers that know no other
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"math/big"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/tunnel/auth/helper"
)

// errNoSignature is the helper's refusal to sign: a token that was taken out, or that nobody has touched.
var errNoSignature = errors.New("the token does not sign")

var (
	errNotASignature   = errors.New("sends what is no signature")
	errForgedSignature = errors.New("sends a signature that is none of this key's")
)

// Sign has the token sign data with the private half of public, which is one of Keys. It may wait for a person at the token.
func (t *Token) Sign(ctx context.Context, public ssh.PublicKey, data []byte, algorithm string) (*ssh.Signature, error) {
	if t.whole == nil {
		whole, err := takesWhole(ctx, t.log, public)
		if err != nil {
			return nil, err
		}
		t.whole = &whole
	}
	way := t.signDigest
	if *t.whole {
		way = t.signWhole
	}
	signature, err := way(ctx, public, data, algorithm)
	if err != nil {
		return nil, err
	}
	if err := public.Verify(data, signature); err != nil {
		return nil, &HelperError{Err: errForgedSignature}
	}
	return signature, nil
}

// signRequest is the request of helpers before OpenSSH 10.1. Those read no further, and newer ones end at it, because they miss
// what wholeRequest has besides.
type signRequest struct {
	Type  byte
	Key   []byte
	Data  []byte
	Flags uint32
}

type wholeRequest struct {
	Type      byte
	Key       []byte
	Data      []byte
	Algorithm string
	Flags     uint32
}

// takesWhole finds out what helpers of this system want to be given to sign: another one, which has no keys and asks no token, is
// sent a request of the old form. It answers that it does not know the key, or ends at it.
func takesWhole(ctx context.Context, log *slog.Logger, public ssh.PublicKey) (bool, error) {
	probe, err := start(log, "")
	if err != nil {
		return false, err
	}
	defer probe.Close()
	_, err = ask(ctx, probe, openLimit, ssh.Marshal(signRequest{Type: msgSign, Key: public.Marshal(), Data: make([]byte, 32)}))
	if errors.Is(err, helper.ErrEnded) {
		return true, nil
	}
	return false, err
}

// signWhole sends all of data, and gets an SSH signature.
func (t *Token) signWhole(ctx context.Context, public ssh.PublicKey, data []byte, algorithm string) (*ssh.Signature, error) {
	blob, err := t.signature(ctx, ssh.Marshal(wholeRequest{Type: msgSign, Key: public.Marshal(), Data: data, Algorithm: algorithm}))
	if err != nil {
		return nil, err
	}
	signature := new(ssh.Signature)
	if err := ssh.Unmarshal(blob, signature); err != nil {
		return nil, &HelperError{Err: errNotASignature}
	}
	return signature, nil
}

// signDigest sends a digest, and gets what the token makes of it: for RSA the bare number, for ECDSA two in ASN.1.
func (t *Token) signDigest(ctx context.Context, public ssh.PublicKey, data []byte, algorithm string) (*ssh.Signature, error) {
	hash, err := hashOf(public, algorithm)
	if err != nil {
		return nil, err
	}
	digest := hash.New()
	digest.Write(data)
	sum := digest.Sum(nil)
	key, isRSA := cryptoKey(public).(*rsa.PublicKey)
	if isRSA {
		info := digestInfo{pkix.AlgorithmIdentifier{Algorithm: digestNames[hash], Parameters: asn1.NullRawValue}, sum}
		if sum, err = asn1.Marshal(info); err != nil {
			return nil, err
		}
	}
	raw, err := t.signature(ctx, ssh.Marshal(signRequest{Type: msgSign, Key: public.Marshal(), Data: sum}))
	if err != nil {
		return nil, err
	}
	if isRSA {
		if missing := key.Size() - len(raw); missing > 0 { // as ssh_rsa_sign of OpenSSH's ssh-rsa.c
			raw = append(make([]byte, missing), raw...)
		}
		return &ssh.Signature{Format: algorithm, Blob: raw}, nil
	}
	var numbers struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(raw, &numbers); err != nil {
		return nil, &HelperError{Err: errNotASignature}
	}
	return &ssh.Signature{Format: algorithm, Blob: ssh.Marshal(numbers)}, nil
}

// signature sends a request to sign, and returns what comes.
func (t *Token) signature(ctx context.Context, request []byte) ([]byte, error) {
	answer, err := ask(ctx, t.helper, signLimit, request)
	if err != nil {
		return nil, err
	}
	if answer[0] != msgSignature {
		if said := t.helper.Last().String(); said != "" {
			return nil, fmt.Errorf("%w (%s)", errNoSignature, said)
		}
		return nil, errNoSignature
	}
	var response struct {
		Blob []byte
		Rest []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(answer[1:], &response); err != nil {
		return nil, &HelperError{Err: errNotASignature}
	}
	return response.Blob, nil
}

// digestInfo is what PKCS #1 signs (RFC 8017 §9.2).
type digestInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Digest    []byte
}

var digestNames = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA1:   {1, 3, 14, 3, 2, 26},
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}

// hashOf returns what a signature of that algorithm is made of (RFC 8332 §3, RFC 5656 §6.2.1).
func hashOf(public ssh.PublicKey, algorithm string) (crypto.Hash, error) {
	switch key := cryptoKey(public).(type) {
	case *rsa.PublicKey:
		switch algorithm {
		case ssh.KeyAlgoRSA:
			return crypto.SHA1, nil
		case ssh.KeyAlgoRSASHA256:
			return crypto.SHA256, nil
		case ssh.KeyAlgoRSASHA512:
			return crypto.SHA512, nil
		}
	case *ecdsa.PublicKey:
		switch bits := key.Curve.Params().BitSize; {
		case bits <= 256:
			return crypto.SHA256, nil
		case bits <= 384:
			return crypto.SHA384, nil
		}
		return crypto.SHA512, nil
	}
	return 0, fmt.Errorf("%s before OpenSSH 10.1 makes no signatures of type %s", program, algorithm)
}

// cryptoKey returns the key that public stands for; nil: of a kind that Go does not know.
func cryptoKey(public ssh.PublicKey) crypto.PublicKey {
	if able, ok := public.(ssh.CryptoPublicKey); ok {
		return able.CryptoPublicKey()
	}
	return nil
}
