// Package pkcs11 uses the keys of a PKCS#11 library, which stands for a smart card, a token or an HSM, through OpenSSH's own
// ssh-pkcs11-helper: the library is loaded into that process, and never into this one.
//
// The helper speaks a part of the protocol of agents over its standard input and output, and no version of it: whole messages to be
// signed since OpenSSH 10.1, and digests before (see Token.Sign).
package pkcs11

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/auth/helper"
)

// How long the helper may take. A card that is asked for its keys is slow, and one that signs may wait for a touch; sshd gives a
// person two minutes as well (LoginGraceTime).
const (
	openLimit = 30 * time.Second
	signLimit = 2 * time.Minute
)

// maxKeys is how many keys a library may have.
const maxKeys = 1024

// Numbers of messages (draft-ietf-sshm-ssh-agent; authfd.h of OpenSSH).
const (
	msgAddLibrary   = 20
	msgKeys         = 12
	msgSign         = 13
	msgSignature    = 14
	msgFailure      = 5
	msgFailureOfOld = 102
)

// Key is the public half of a key that a library has.
type Key struct {
	Public ssh.PublicKey
	Label  foreign.Text // what the token calls it; may be empty
}

// Token is a library that a helper has loaded. It is not safe for concurrent use.
type Token struct {
	Keys []Key

	helper *helper.Process
	log    *slog.Logger
	whole  *bool // whether the helper takes whole messages; nil: it was not asked yet
}

// turns has a helper.Turn for each library, which is held by whoever has it show a PIN to its tokens. They are those of the process, as
// the tokens are.
var turns sync.Map

// Turn waits until no other tunnel of this process shows a PIN to the tokens of library: who waits can see what became of the PIN that
// the other had. free ends the turn. The error is the cause of ctx.
func Turn(ctx context.Context, library string) (free func(), err error) {
	turn, _ := turns.LoadOrStore(library, helper.NewTurn())
	return turn.(helper.Turn).Take(ctx)
}

// Open has a helper load library and log in to its tokens with pin; where that is empty, only tokens that want none are used. log gets
// what the helper says, for debugging. A *MissingError says that there is no helper, a *RefusedError that it has found no key, a
// *HelperError that it does not work. The caller closes the result.
func Open(ctx context.Context, log *slog.Logger, library, pin string) (*Token, error) {
	h, err := start(log, pin)
	if err != nil {
		return nil, err
	}
	request := ssh.Marshal(struct {
		Type         byte
		Library, PIN string
	}{msgAddLibrary, library, pin})
	answer, err := ask(ctx, h, openLimit, request)
	if err != nil {
		h.Close()
		return nil, err
	}
	keys, err := readKeys(h, answer)
	if err != nil {
		h.Close()
		return nil, err
	}
	return &Token{Keys: keys, helper: h, log: log}, nil
}

// Close ends the helper, with whatever it has started.
func (t *Token) Close() { t.helper.Close() }

// PINRefused reports whether a token of the library has refused the PIN that another one has taken.
func (t *Token) PINRefused() bool { return judgement(t.helper) != CodeNothing }

// readKeys reads the answer to a request to load a library.
func readKeys(h *helper.Process, answer []byte) ([]Key, error) {
	if len(answer) < 5 || answer[0] != msgKeys {
		return nil, refusal(h, answer)
	}
	count, rest := binary.BigEndian.Uint32(answer[1:]), answer[5:]
	if count > maxKeys {
		return nil, &HelperError{Err: fmt.Errorf("says that there are %d keys", count)}
	}
	var keys []Key
	for range count {
		var one struct {
			Blob  []byte
			Label string
			Rest  []byte `ssh:"rest"`
		}
		if len(rest) == 0 { // it counts keys that it leaves out
			break
		}
		if err := ssh.Unmarshal(rest, &one); err != nil {
			return nil, &HelperError{Err: errors.New("sends what is no list of keys")}
		}
		rest = one.Rest
		if public, err := ssh.ParsePublicKey(one.Blob); err == nil {
			keys = append(keys, Key{Public: public, Label: foreign.Line(one.Label)})
		}
	}
	if len(keys) == 0 {
		return nil, &RefusedError{Code: judgement(h), Said: h.Last()}
	}
	return keys, nil
}

// refusal reads an answer that is no list of keys.
func refusal(h *helper.Process, answer []byte) error {
	if kind := answer[0]; kind != msgFailure && kind != msgFailureOfOld {
		return &HelperError{Err: fmt.Errorf("answers with message %d", kind)}
	}
	refused := &RefusedError{Said: h.Last()}
	if len(answer) >= 5 {
		refused.Code = Code(binary.BigEndian.Uint32(answer[1:]))
	}
	if refused.Code == CodeNothing {
		refused.Code = judgement(h)
	}
	return refused
}
