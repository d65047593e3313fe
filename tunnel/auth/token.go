package auth

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/auth/sk"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// privateHalf is the private half of a key: an ssh.AlgorithmSigner, or the *sk.Key of one that is in a token.
type privateHalf interface{ PublicKey() ssh.PublicKey }

// The reasons why a token does not sign, besides those of its helper.
var (
	errNoPIN    = errors.New("the token wants its PIN, and nobody gives it")
	errWrongPIN = errors.New("wrong PIN of the token")
)

// parsePrivate reads a private key that is not encrypted.
func parsePrivate(data []byte) (privateHalf, error) { return parse(data, "", ssh.ParsePrivateKey) }

// parseDecrypted reads a private key that is encrypted with passphrase.
func parseDecrypted(data []byte, passphrase string) (privateHalf, error) {
	return parse(data, passphrase, func(data []byte) (ssh.Signer, error) {
		return ssh.ParsePrivateKeyWithPassphrase(data, []byte(passphrase))
	})
}

// parse reads a private key: one in a token by itself, and all others by other.
func parse(data []byte, passphrase string, other func([]byte) (ssh.Signer, error)) (privateHalf, error) {
	if public := embeddedPublic(data); public != nil && sshkey.IsHardware(public) {
		key, err := sk.Parse(data, passphrase)
		if err != nil {
			return nil, err
		}
		return key, nil
	}
	return other(data)
}

// helper returns what has the token of the key in a file sign. The error says why there is nothing.
func (a *Attempt) helper(file string) (sk.Helper, error) {
	provider := a.options.SecurityKeyProvider
	if provider == "" {
		return sk.Helper{}, errors.New("its private half is in a token, and with this SecurityKeyProvider only an agent can use it: ssh-add " + file)
	}
	if strings.ContainsRune(provider, os.PathSeparator) {
		if _, err := os.Stat(provider); err != nil {
			return sk.Helper{}, fmt.Errorf("its private half is in a token, and SecurityKeyProvider is of no use: %s: %s", foreign.Own(provider), reason(err))
		}
	}
	path, err := sk.Find(a.options.SecurityKeyHelper)
	return sk.Helper{Path: path, Provider: provider, Log: a.log}, err
}

// signByToken has the token of key sign, as identity_sign of OpenSSH's sshconnect2.c: it says that the token is to be touched, and asks
// for the PIN where the token wants it, once. A PIN that was right is remembered. Other tunnels have their turn while a person is asked.
func (a *Attempt) signByToken(key *candidate, token *sk.Key, data []byte) (*ssh.Signature, error) {
	helper, err := a.helper(key.path)
	if err != nil {
		return nil, err
	}
	a.pauseForPrompt(true)
	defer a.pauseForPrompt(false)
	name := tokenPIN(token)
	signature, err := a.signInTurn(helper, key, token, data, a.kept(name))
	if !errors.Is(err, sk.ErrPIN) {
		return signature, err
	}
	free, err := a.question()
	if err != nil {
		return nil, noPIN(err, errNoPIN)
	}
	defer free()
	pin, err := a.askPIN(name, fmt.Sprintf("Enter PIN for %s key %.100s: ", sshkey.TypeOf(token.PublicKey()), key.path))
	if err != nil {
		return nil, noPIN(err, errNoPIN)
	}
	if signature, err = a.signInTurn(helper, key, token, data, given(name, pin)); errors.Is(err, sk.ErrPIN) {
		return nil, errWrongPIN
	}
	return signature, err
}

// tokenPIN is the name under which the PIN of the token of a key is remembered.
func tokenPIN(token *sk.Key) string { return "pin\x00" + string(token.PublicKey().Marshal()) }

// signInTurn has the token sign with the PIN that is picked when no other tunnel has one sign, and notes what it makes of that PIN.
func (a *Attempt) signInTurn(helper sk.Helper, key *candidate, token *sk.Key, data []byte, pick pinPick) (*ssh.Signature, error) {
	free, err := sk.Turn(a.ctx)
	if err != nil {
		return nil, err
	}
	defer free()
	pin, err := pick()
	if err != nil {
		return nil, err
	}
	signature, err := a.touch(helper, key, token, data, pin)
	switch {
	case pin == "":
	case err == nil:
		a.pinTaken(tokenPIN(token), pin)
	case errors.Is(err, sk.ErrPIN):
		a.pinRefused(tokenPIN(token), pin)
	}
	return signature, err
}

// touch has the token sign, and tells whoever is there to touch it.
func (a *Attempt) touch(helper sk.Helper, key *candidate, token *sk.Key, data []byte, pin string) (*ssh.Signature, error) {
	if token.WantsTouch() {
		a.log.Warn("touch the security key", "key", key.String())
		if person, ok := a.credentials.ask.(Notifier); ok && !a.options.BatchMode {
			defer person.Notify(a.ctx, "Confirm user presence for key "+sshkey.TypeOf(token.PublicKey())+" "+ssh.FingerprintSHA256(token.PublicKey()))()
		}
	}
	return helper.Sign(a.ctx, token, data, pin)
}

// tokenHint returns what to do where err is about a token; empty: it is not.
func (a *Attempt) tokenHint(err error) string {
	missing, version, refusal := new(sk.MissingError), new(sk.VersionError), new(sk.RefusalError)
	switch {
	case errors.As(err, &missing) && missing.Named != "":
		return "correct SSH_SK_HELPER, or unset it"
	case errors.As(err, &missing):
		return "install openssh-client (Debian, Ubuntu) or what has ssh-sk-helper elsewhere, or name it with SSH_SK_HELPER where it is in an unusual place"
	case errors.As(err, &version):
		return "install a tunneld that knows this OpenSSH, or name the ssh-sk-helper of another one with SSH_SK_HELPER"
	case errors.Is(err, errNoPIN):
		return "set SSH_ASKPASS, " + a.whereItAsks() + "; a key that was made without -O verify-required wants no PIN"
	case errors.Is(err, errSpentPIN):
		return spentPINHint
	case errors.Is(err, errWrongPIN):
		return "mind that the token counts wrong PINs and locks itself after a few"
	case sk.Passes(err):
		return "plug in the token of this key, and touch it when it blinks"
	case errors.As(err, &refusal):
		return "look at SecurityKeyProvider, which is " + foreign.Own(a.options.SecurityKeyProvider).String() + ", and with -v at what ssh-sk-helper says"
	}
	return ""
}
