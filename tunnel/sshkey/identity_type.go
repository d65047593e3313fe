package sshkey

import (
	"crypto/rsa"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// rsaSignatures names for each RSA entry of PubkeyAcceptedAlgorithms the key format that it is for and the signature
// that it allows (RFC 8332).
var rsaSignatures = map[string]struct{ format, signature string }{
	ssh.KeyAlgoRSA:           {ssh.KeyAlgoRSA, ssh.KeyAlgoRSA},
	ssh.KeyAlgoRSASHA256:     {ssh.KeyAlgoRSA, ssh.KeyAlgoRSASHA256},
	ssh.KeyAlgoRSASHA512:     {ssh.KeyAlgoRSA, ssh.KeyAlgoRSASHA512},
	ssh.CertAlgoRSAv01:       {ssh.CertAlgoRSAv01, ssh.KeyAlgoRSA},
	ssh.CertAlgoRSASHA256v01: {ssh.CertAlgoRSAv01, ssh.KeyAlgoRSASHA256},
	ssh.CertAlgoRSASHA512v01: {ssh.CertAlgoRSAv01, ssh.KeyAlgoRSASHA512},
}

// SignatureAlgorithms returns the kinds of signature that key may make under accepted (PubkeyAcceptedAlgorithms), the preferred one
// first. An empty result means that the key is not to be offered.
func SignatureAlgorithms(key ssh.PublicKey, accepted []string) []string {
	format := key.Type()
	if plain := Plain(key).Type(); plain != ssh.KeyAlgoRSA {
		if slices.Contains(accepted, format) {
			return []string{plain}
		}
		return nil
	}
	var algorithms []string
	for _, name := range accepted {
		if rsa, ok := rsaSignatures[name]; ok && rsa.format == format {
			algorithms = append(algorithms, rsa.signature)
		}
	}
	return algorithms
}

// Plain returns the key that a certificate is about, or key itself.
func Plain(key ssh.PublicKey) ssh.PublicKey {
	if certificate, ok := key.(*ssh.Certificate); ok {
		return certificate.Key
	}
	return key
}

// Same reports whether a and b are the same key or the same certificate.
func Same(a, b ssh.PublicKey) bool {
	return a != nil && b != nil && string(a.Marshal()) == string(b.Marshal())
}

// RsaBits returns the size of an RSA key in bits, and 0 for other keys.
func RsaBits(key ssh.PublicKey) int {
	crypto, ok := Plain(key).(ssh.CryptoPublicKey)
	if !ok {
		return 0
	}
	if public, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); ok {
		return public.N.BitLen()
	}
	return 0
}

// IsHardware reports whether the private half is in a FIDO token.
func IsHardware(key ssh.PublicKey) bool {
	return strings.HasPrefix(Plain(key).Type(), "sk-")
}

// TypeOf returns the type of a key as ssh and ssh-keygen -l print it: ED25519, RSA, ECDSA-SK, RSA-CERT.
func TypeOf(key ssh.PublicKey) string {
	name := Plain(key).Type()
	suffix := ""
	if rest, ok := strings.CutPrefix(name, "sk-"); ok {
		name, suffix = rest, "-SK"
	}
	name = strings.TrimPrefix(name, "ssh-")
	name, _, _ = strings.Cut(name, "@")
	switch name, _, _ = strings.Cut(name, "-"); name {
	case "dss":
		name = "dsa"
	}
	if _, ok := key.(*ssh.Certificate); ok {
		suffix += "-CERT"
	}
	return strings.ToUpper(name) + suffix
}

// CertificateSuffix ends the names of the types and algorithms of certificates (OpenSSH's PROTOCOL.certkeys).
const CertificateSuffix = "-cert-v01@openssh.com"
