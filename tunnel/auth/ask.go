package auth

import (
	"context"
	"errors"
)

// Asker asks a person for a secret.
type Asker interface {
	// Secret shows prompt and reads one line without echo; the line end is not part of the answer. An empty answer
	// means that the person has none. ErrNobody means that there is nobody to ask.
	Secret(ctx context.Context, prompt string) (string, error)
}

// Notifier is an Asker that can also tell a person something that wants no answer, besides what the log says.
type Notifier interface {
	// Notify shows text until done is called or ctx is done. It returns at once.
	Notify(ctx context.Context, text string) (done func())
}

// ErrNobody is returned where there is no terminal and no askpass program may be used.
var ErrNobody = errors.New("nobody to ask: no terminal and no SSH_ASKPASS program")
