package seek

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
)

// However questions and their answers fall together, the last question is answered after it was asked; then the goroutine ends,
// and after Stop there is none any more.
func TestSeekAnswersTheLastQuestion(t *testing.T) {
	for range 200 {
		var asked, seen, late atomic.Int32
		s := New()
		s.Start(t.Context(), func(asking context.Context) {
			if asking.Err() != nil {
				late.Add(1)
			}
			seen.Store(asked.Load())
		})
		if s.runs {
			t.Fatal("it runs, and nobody has asked")
		}
		var askers sync.WaitGroup
		for range 4 {
			askers.Go(func() {
				for range 5 {
					asked.Add(1)
					s.Ask()
				}
			})
		}
		askers.Wait()
		s.ended.Wait()
		if seen.Load() != 20 || late.Load() > 0 || s.runs {
			t.Fatalf("%d of 20 questions were answered, %d too late; it runs: %t", seen.Load(), late.Load(), s.runs)
		}
		askers.Go(s.Ask)
		s.Stop()
		askers.Wait()
		before := seen.Load()
		asked.Add(1)
		if s.Ask(); s.runs || seen.Load() != before {
			t.Fatal("it answers after its end")
		}
	}
}

// Stop ends an answer that takes long.
func TestSeekStopsWhileItAsks(t *testing.T) {
	s, began := New(), make(chan struct{})
	s.Start(t.Context(), func(asking context.Context) {
		close(began)
		<-asking.Done()
	})
	s.Ask()
	<-began
	s.Ask()
	s.Stop()
	if s.runs {
		t.Error("it has a goroutine after Stop")
	}
}
