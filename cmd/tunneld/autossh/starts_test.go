package autossh

import (
	"context"
	"errors"
	"testing"
)

// A signal that comes between the end of an attempt and the wait for the next finds nothing to end, and is to be told so.
func TestEndTellsWhetherThereWasAnything(t *testing.T) {
	var s Starts
	why := errors.New("asked to")
	if s.End(why) {
		t.Error("nothing has begun, and it was ended")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	forget := s.Set(cancel)
	if !s.End(why) || !errors.Is(context.Cause(ctx), why) {
		t.Errorf("the attempt has ended with %v", context.Cause(ctx))
	}
	forget()
	if s.End(why) {
		t.Error("the attempt is over, and it was ended")
	}
}
