package tunnel

import (
	"context"
	"errors"
)

// Asker puts questions to a person: at a terminal, through SSH_ASKPASS. A nil Asker means that there is nobody.
//
// Implementations serve one question at a time and are safe for concurrent use. Both methods block until there is an
// answer or ctx is done, and then return ctx's error.
type Asker interface {
	// Secret shows prompt and reads one line without echo; the line end is not part of the answer. An empty answer
	// means that the person has none to give. ErrNobody: there is nobody to ask.
	Secret(ctx context.Context, prompt string) (string, error)

	// Confirm shows prompt, a question without its question mark, and how to answer, and tells whether the answer was yes.
	// ErrNobody: there is nobody to ask.
	Confirm(ctx context.Context, prompt string) (bool, error)
}

// ErrNobody is an Asker's answer where no terminal is open and no askpass program may be used.
var ErrNobody = errors.New("nobody to ask: no terminal and no SSH_ASKPASS program")
