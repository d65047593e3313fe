package auth

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/auth/pkcs11"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// The reasons why a token cannot be used that are not the helper's.
var (
	errCard      = errors.New("token")
	errNoCardPIN = errors.New("it wants a PIN, and there is none")
	errCardPIN   = errors.New("it has no key for this PIN")
)

// cardState is what has become of PKCS11Provider in one attempt.
type cardState struct {
	opened *pkcs11.Token // nil: not yet, or not possible
	err    error         // why not; nil: it was not tried
}

// cardKeys returns a candidate that stands for all keys of PKCS11Provider. They are read when it is their turn, because the helper
// lists them only to whoever knows the PIN, and a person should not be asked for that where another key does.
func (a *Attempt) cardKeys() []*candidate {
	if library := a.options.PKCS11Provider; library != "" {
		return []*candidate{{name: library, card: true, explicit: true}}
	}
	return nil
}

// readCard puts the token's keys in the place of the candidate that stands for them: those first whose public half is among the
// identity files, and no others with IdentitiesOnly (pubkey_prepare of OpenSSH's sshconnect2.c).
func (a *Attempt) readCard(place *candidate) {
	opened, err := a.openCard()
	a.keys = slices.DeleteFunc(a.keys, func(k *candidate) bool { return k == place })
	if err != nil {
		a.failures = append(a.failures, keyFailure{place.name, err})
		a.skip(place.name, foreign.Error(err).Error(), true)
		return
	}
	var listed, others []*candidate
	for _, held := range opened.Keys {
		key := &candidate{name: held.Label.String(), card: true, explicit: true, public: held.Public}
		if key.name == "" {
			key.name = place.name
		}
		switch {
		case !a.fits(key.name, held.Public, true):
		case slices.ContainsFunc(a.keys, func(k *candidate) bool { return k.path != "" && sshkey.Same(k.public, held.Public) }):
			listed = append(listed, key)
		case !a.options.IdentitiesOnly:
			others = append(others, key)
		default:
			a.skip(key.name, "IdentitiesOnly, and no IdentityFile has its public key", false)
		}
	}
	a.keys = slices.Concat(listed, others, a.keys)
}

// openCard returns the token, which is opened once in an attempt.
func (a *Attempt) openCard() (*pkcs11.Token, error) {
	if a.card.opened == nil && a.card.err == nil {
		a.card.opened, a.card.err = a.unlockCard()
	}
	return a.card.opened, a.card.err
}

// cardPIN is the name under which the PIN of PKCS11Provider is remembered.
func (a *Attempt) cardPIN() string { return "PIN of " + a.options.PKCS11Provider }

// unlockCard opens the token, with the PIN that opened it before, without one where it wants none, or with one that a person is
// asked for, once. A PIN that was not taken is forgotten: a token locks itself after a few of them.
func (a *Attempt) unlockCard() (*pkcs11.Token, error) {
	a.pauseForPrompt(true)
	defer a.pauseForPrompt(false)
	var opened *pkcs11.Token
	var err error
	if a.keptPIN(a.cardPIN()) == "" { // nothing is at stake, and nobody is waited for
		opened, err = pkcs11.Open(a.ctx, a.log, a.options.PKCS11Provider, "")
	} else {
		opened, err = a.tryPIN(a.kept(a.cardPIN()))
	}
	if err == nil || !wantsPIN(err) {
		return opened, err
	}
	free, askErr := a.question()
	if askErr != nil {
		return nil, noPIN(askErr, errNoCardPIN)
	}
	defer free()
	pin, askErr := a.askPIN(a.cardPIN(), fmt.Sprintf("Enter PIN for '%.100s': ", a.options.PKCS11Provider))
	if askErr != nil {
		return nil, noPIN(askErr, errNoCardPIN)
	}
	if opened, err = a.tryPIN(given(a.cardPIN(), pin)); err != nil && wantsPIN(err) {
		err = fmt.Errorf("%w: %w", errCardPIN, err)
	}
	return opened, err
}

// tryPIN opens the token with the PIN that is picked. One at a time does so in this process: when many connections come back together,
// none sends a PIN that another one has just seen refused.
func (a *Attempt) tryPIN(pick pinPick) (*pkcs11.Token, error) {
	free, err := pkcs11.Turn(a.ctx, a.options.PKCS11Provider)
	if err != nil {
		return nil, err
	}
	defer free()
	pin, err := pick()
	if err != nil {
		return nil, err
	}
	opened, err := pkcs11.Open(a.ctx, a.log, a.options.PKCS11Provider, pin)
	if pin != "" {
		a.judgePIN(pin, opened, err)
	}
	return opened, err
}

// judgePIN remembers the PIN with which the token was opened, or not, or forgets it. The helper shows a PIN to all tokens of the
// library: where one of them refuses it, that one would be locked by reconnecting alone.
func (a *Attempt) judgePIN(pin string, opened *pkcs11.Token, err error) {
	refused := new(pkcs11.RefusedError)
	switch {
	case err == nil && !opened.PINRefused():
		a.pinTaken(a.cardPIN(), pin)
	case err == nil:
		a.pinRefused(a.cardPIN(), pin)
		a.log.Warn("PIN not remembered: another token refuses it", "library", a.options.PKCS11Provider,
			"hint", "unplug the other token, or load the keys of this one into an agent: ssh-add -s "+fault.ShellQuote(a.options.PKCS11Provider))
	case errors.As(err, &refused) && (refused.Code == pkcs11.CodePINRefused || refused.Code == pkcs11.CodePINLocked):
		a.pinRefused(a.cardPIN(), pin)
	case wantsPIN(err):
		a.credentials.forgetAnswer(a.cardPIN(), pin)
	}
}

// wantsPIN reports whether another PIN could mend err.
func wantsPIN(err error) bool {
	refused := new(pkcs11.RefusedError)
	return errors.As(err, &refused) && slices.Contains([]pkcs11.Code{pkcs11.CodeNothing, pkcs11.CodePINRefused, pkcs11.CodePINRequired}, refused.Code)
}

// signWithCard makes a signature with a key of the token.
func (a *Attempt) signWithCard(public ssh.PublicKey, data []byte, algorithm string) (*ssh.Signature, error) {
	opened, err := a.openCard()
	if err == nil {
		a.pauseForPrompt(true)
		defer a.pauseForPrompt(false)
		var signature *ssh.Signature
		if signature, err = opened.Sign(a.ctx, public, data, algorithm); err == nil {
			return signature, nil
		}
	}
	return nil, fmt.Errorf("the %w does not sign: %w", errCard, err)
}

// cardHolder returns the key of the token that signs for a certificate; nil: it has none.
func (a *Attempt) cardHolder(certificate *ssh.Certificate) *candidate {
	if a.options.PKCS11Provider == "" {
		return nil
	}
	opened, err := a.openCard()
	if err != nil || !slices.ContainsFunc(opened.Keys, func(k pkcs11.Key) bool { return sshkey.Same(k.Public, certificate.Key) }) {
		return nil
	}
	return &candidate{name: a.options.PKCS11Provider, card: true, public: certificate.Key}
}

// cardFault returns why the token could not be used, where that may pass: it may be plugged in again, or touched in time.
func (a *Attempt) cardFault() error {
	for _, offer := range a.offers {
		if errors.Is(offer.err, errCard) {
			return offer.err
		}
	}
	refused, broken := new(pkcs11.RefusedError), new(pkcs11.HelperError)
	passes := errors.As(a.card.err, &refused) && refused.Code == pkcs11.CodeNoToken || errors.As(a.card.err, &broken)
	if !passes || a.ownKeyOffered() {
		return nil
	}
	return a.card.err
}

// cardHint is the advice for a token that could not be used; empty: err is about something else.
func (a *Attempt) cardHint(err error) string {
	missing, refused, broken := new(pkcs11.MissingError), new(pkcs11.RefusedError), new(pkcs11.HelperError)
	agent := "load its keys into an agent: ssh-add -s " + fault.ShellQuote(a.options.PKCS11Provider)
	switch {
	case errors.As(err, &missing):
		return "install OpenSSH's ssh-pkcs11-helper, which is part of its client (Debian: openssh-client, or openssh-common in newer releases), " +
			"or name it with the variable SSH_PKCS11_HELPER; or " + agent
	case errors.Is(err, errNoCardPIN):
		return agent + "; " + a.whereItAsks()
	case errors.Is(err, errSpentPIN):
		return spentPINHint
	case errors.Is(err, errCardPIN):
		return "check the PIN, and that the token has a key; it locks itself after a few wrong ones"
	case errors.As(err, &refused) && refused.Code == pkcs11.CodeNoToken:
		return "plug the token in, or correct PKCS11Provider"
	case errors.As(err, &refused) && refused.Code == pkcs11.CodePINLocked:
		return "unlock the token with its PUK or the PIN of its administrator"
	case errors.As(err, &refused):
		return "PKCS11Provider is the path of a library such as /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"
	case errors.As(err, &broken):
		return agent
	case errors.Is(err, errCard):
		return "touch the token when it blinks, and leave it plugged in"
	}
	return ""
}
