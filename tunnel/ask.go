package tunnel

import "context"

// Asker is how a person, or a source that a person configured, is asked. A nil Asker means that nobody can be asked.
// Its methods may be called from several goroutines.
type Asker interface {
	// Secret asks with the echo off. It returns when there is an answer, when nobody can give one (an error), or when
	// ctx is done.
	Secret(ctx context.Context, prompt string) (string, error)

	// Confirm asks for yes or no. An error counts as no.
	Confirm(ctx context.Context, prompt string) (bool, error)
}
