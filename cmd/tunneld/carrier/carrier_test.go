package carrier

import (
	"context"
	"errors"
	"testing"
)

// A reload waits for a tunnel that has failed, that for its clients, and one of those would wait for the reload.
func TestClientsDoNotWaitForAReloadForEver(t *testing.T) {
	ending := make(chan struct{})
	c := &Carrier{Changing: make(chan struct{}, 1), Ending: ending}
	c.Changing <- struct{}{} // a reload
	never := func() error { t.Error("forwards change in a reload"); return nil }
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := c.change(gone, never); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that has left: %v", err)
	}
	close(ending)
	if err := c.change(t.Context(), never); !errors.Is(err, errStopping) {
		t.Errorf("a tunnel that ends: %v", err)
	}
	<-c.Changing
	c.Ending = nil
	for range 2 {
		if err := c.change(t.Context(), func() error { return nil }); err != nil {
			t.Error(err)
		}
	}
}
