package follow

import (
	"context"
	"time"
)

// ending is how long a read that is to end may take for that: it may run commands, which are killed.
const ending = 3 * time.Second

// unheld has f read files, and waits until that is done, or until ctx is and f has had the time to notice. It does not wait for a
// file system that does not answer, such as one that is reached through the very tunnel: nothing ends a read there, and a connection
// that waited for it would not be made before it is back, nor would a process end that was asked to. still has the result of an f
// that nobody waits for any more, some day; nil: there is none such.
func unheld[T any](ctx context.Context, f func() T) (result T, still <-chan T) {
	done := make(chan T, 1)
	go func() { done <- f() }()
	select {
	case result = <-done:
		return result, nil
	case <-ctx.Done():
	}
	late := time.NewTimer(ending)
	defer late.Stop()
	select {
	case result = <-done:
		return result, nil
	case <-late.C:
		return result, done
	}
}

// Unheld returns read as a function that returns soon after its context is done, with the cause of that as the error, even where a
// file system does not answer.
func Unheld[T any](read func(context.Context) (T, error)) func(context.Context) (T, error) {
	type answer struct {
		result T
		err    error
	}
	return func(ctx context.Context) (T, error) {
		a, still := unheld(ctx, func() answer {
			result, err := read(ctx)
			return answer{result, err}
		})
		if still != nil {
			a.err = context.Cause(ctx)
		}
		return a.result, a.err
	}
}
