package helper

import "context"

// Turn is held by one at a time. The zero value is of no use.
type Turn chan struct{}

// NewTurn returns a Turn that nobody has.
func NewTurn() Turn { return make(Turn, 1) }

// Take waits until it is the caller's turn, which free ends. The error is the cause of ctx.
func (t Turn) Take(ctx context.Context) (free func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
