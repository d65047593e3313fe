package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/order"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel"
)

// steerForwards does something with each forward of the request, all at once.
func (p *process) steerForwards(do func(context.Context, *runner, config.Forward) controlResult) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		began := time.Now()
		r, err := p.oneNamed(req.URL.Query()["tunnel"])
		if err != nil {
			answerJSON(w, http.StatusNotFound, controlAnswer{[]controlResult{newResult("", began, err)}})
			return
		}
		forwards, err := order.Read(req.Body)
		if err != nil {
			answerJSON(w, http.StatusBadRequest, controlAnswer{[]controlResult{newResult(r.name, began, err)}})
			return
		}
		answer := controlAnswer{make([]controlResult, len(forwards))}
		var all sync.WaitGroup
		for i, f := range forwards {
			all.Go(func() { answer.Results[i] = do(req.Context(), r, f) })
		}
		all.Wait()
		answer.send(w)
	}
}

// addForward adds one, and says where it listens.
func addForward(ctx context.Context, r *runner, f config.Forward) controlResult {
	began := time.Now()
	granted, err := r.carrier.Add(ctx, f)
	result := resultOfForward(r, f, began, err)
	result.Did, result.Port, result.Bound = granted.Did, granted.Port, granted.Bound
	return result
}

// cancelForward takes one away.
func cancelForward(ctx context.Context, r *runner, f config.Forward) controlResult {
	began := time.Now()
	result := resultOfForward(r, f, began, r.carrier.Remove(ctx, f))
	if result.Error == "" {
		result.Did = "taken away"
	}
	return result
}

func resultOfForward(r *runner, f config.Forward, began time.Time, err error) controlResult {
	result := newResult(r.name, began, err)
	result.Forward = tunnel.Spec(f)
	if err != nil {
		result.Code = exit.Code(err)
	}
	return result
}
