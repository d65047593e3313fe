package sshconn

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

const (
	tidyTime    = 3 * time.Second // that an attempt which is over gets to close what it has opened
	mostOverdue = 4               // attempts of a Dialer that do not end
)

// errSilentFile is the error of an attempt that did not end when it was over: no signal and no deadline ends a call that waits for a file
// whose file system does not answer.
var errSilentFile = errors.New("a file of this machine does not answer")

const silentHint = "see whether known_hosts, the keys and the ProxyCommand lie on a file system that has gone: stat FILE"

// overdue counts the attempts that do not end though they are over.
type overdue struct{ count atomic.Int32 }

// bound waits for connect as long as ctx lives, and then for what connect has to tidy up. Where it ends later still, what it has opened
// is closed. There are few such: each holds a thread.
func (v *overdue) bound(ctx context.Context, o *config.Options, connect func(context.Context) (*Conn, error)) (*Conn, error) {
	silent := &fault.Error{Phase: fault.PhaseDial, Where: o.Peer(), Err: errSilentFile, Hint: silentHint}
	if v.count.Load() >= mostOverdue {
		return nil, silent
	}
	type result struct {
		conn *Conn
		err  error
	}
	results := make(chan result, 1)
	go func() {
		conn, err := connect(ctx)
		results <- result{conn, err}
	}()
	select {
	case r := <-results:
		return r.conn, r.err
	case <-ctx.Done():
	}
	late := time.NewTimer(tidyTime)
	defer late.Stop()
	select {
	case r := <-results:
		return r.conn, r.err
	case <-late.C:
	}
	v.count.Add(1)
	go func() {
		defer v.count.Add(-1)
		if r := <-results; r.conn != nil {
			r.conn.Close()
		}
	}()
	err := ended(ctx, silent.Phase, silent.Where, errSilentFile.Error())
	if e, ok := errors.AsType[*fault.Error](err); ok {
		e.Hint = silentHint
	}
	return nil, err
}
