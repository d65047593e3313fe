package auth

import (
	"crypto/sha256"
	"errors"
	"sync"
)

// mostRefusals is how often tokens may refuse a PIN before it is not sent any more, whoever gives it: some lock themselves after the
// third. SSH_ASKPASS may be a program that has one answer.
const mostRefusals = 2

// errSpentPIN is why a PIN was not sent.
var errSpentPIN = errors.New("this PIN has been refused before, and is not sent again")

const spentPINHint = "check the PIN: tokens lock themselves after a few wrong ones; a tunneld that is started anew sends it once more"

// refusedPINs counts how often tokens have refused a PIN since they took it last.
type refusedPINs struct {
	mu    sync.Mutex
	times map[[sha256.Size]byte]int // by token and PIN
}

// pins is one for the process, as the tokens are: several tunnels may remember the same PIN, which only one of them finds to be wrong.
var pins refusedPINs

func pinOf(token, pin string) [sha256.Size]byte { return sha256.Sum256([]byte(token + "\x00" + pin)) }

func (r *refusedPINs) refuse(token, pin string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times == nil {
		r.times = map[[sha256.Size]byte]int{}
	}
	r.times[pinOf(token, pin)]++
}

func (r *refusedPINs) take(token, pin string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.times, pinOf(token, pin))
}

func (r *refusedPINs) count(token, pin string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.times[pinOf(token, pin)]
}

// keptPIN returns the PIN that a token took before; empty: there is none, or it has been refused since.
func (a *Attempt) keptPIN(token string) string {
	pin, _ := a.credentials.answer(token)
	if pin != "" && pins.count(token, pin) > 0 {
		a.credentials.forgetAnswer(token, pin)
		return ""
	}
	return pin
}

// askPIN asks a person for the PIN of a token, unless another session has done so in the meantime. The caller has the turn to ask (see
// question). The error is ErrNobody where there is no PIN.
func (a *Attempt) askPIN(token, prompt string) (string, error) {
	if pin := a.keptPIN(token); pin != "" {
		return pin, nil
	}
	pin, err := a.credentials.ask.Secret(a.ctx, prompt)
	if err != nil {
		return "", err
	}
	if a.asked = true; pin == "" {
		return "", ErrNobody
	}
	return pin, nil
}

// pinPick returns the PIN that is sent to a token when it is an attempt's turn; empty: none.
type pinPick func() (string, error)

// kept picks what the token took before.
func (a *Attempt) kept(token string) pinPick {
	return func() (string, error) { return a.keptPIN(token), nil }
}

// given picks what somebody has given.
func given(token, pin string) pinPick {
	return func() (string, error) {
		if pins.count(token, pin) >= mostRefusals {
			return "", errSpentPIN
		}
		return pin, nil
	}
}

// pinTaken remembers a PIN that was right.
func (a *Attempt) pinTaken(token, pin string) {
	pins.take(token, pin)
	a.credentials.rememberAnswer(token, pin)
}

// pinRefused forgets one that was wrong.
func (a *Attempt) pinRefused(token, pin string) {
	pins.refuse(token, pin)
	a.credentials.forgetAnswer(token, pin)
}

// noPIN returns none, an error of a token, where err says that nobody has given a PIN.
func noPIN(err, none error) error {
	if errors.Is(err, ErrNobody) {
		return none
	}
	return err
}
