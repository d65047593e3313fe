package tunnel

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/unixconn"
)

// Direct is a connection from the server to a target that a program of this machine has asked for, without a forward. Its
// owner calls Carry or Close.
type Direct struct {
	channel *channel
	release func() // gives back what it counts for, once
}

// maxDirect bounds them, those that are held included, as the clients of a ControlPath are bounded: each costs a descriptor and a
// window.
const maxDirect = 512

var errTooManyDirect = errors.New("too many connections are open that programs have asked for one by one")

// Direct has the server connect to target. Without a connection to the server it waits as the client of a forward does, up to
// the hold time, and it asks again where one ends before the server has answered; the end of ctx is the program's leaving. A
// refusal is an *UnreachableError.
func (t *Tunnel) Direct(ctx context.Context, target config.Endpoint) (*Direct, error) {
	release, err := t.admitDirect()
	if err != nil {
		return nil, err
	}
	ch, err := t.openDirect(ctx, target)
	if err != nil {
		release()
		return nil, err
	}
	ch.session.ridden.add() // that of an ssh may be quiet and in use
	return &Direct{ch, sync.OnceFunc(func() {
		ch.session.ridden.done()
		release()
	})}, nil
}

// admitDirect takes a place among maxDirect, and one of the process's for the program's socket.
func (t *Tunnel) admitDirect() (release func(), err error) {
	t.directs.add()
	if t.directs.count() > maxDirect {
		t.directs.done()
		return nil, errTooManyDirect
	}
	leave, ok := t.Admit(1)
	if !ok {
		t.directs.done()
		return nil, errManyFiles
	}
	return func() {
		leave()
		t.directs.done()
	}, nil
}

func (t *Tunnel) openDirect(ctx context.Context, target config.Endpoint) (*channel, error) {
	who := caller{number: t.pool.arrive(), forward: "programs", count: &t.riders.counter}
	kind, payload := openPayload(target, nil)
	for {
		p, err := t.hold(ctx, who)
		if err != nil {
			return nil, err
		}
		ch, err := p.open(ctx, endpointText(target), kind, payload)
		switch {
		case errors.Is(err, errSessionDown):
			t.pool.leave(p.session)
			who.waited += p.waited
			continue
		case err != nil:
			return nil, unreachable(target, err)
		}
		t.pool.queueDrained()
		return ch, nil
	}
}

// Carry joins d and conn, which belongs to the program, until both directions have ended, the program has closed conn, the
// session breaks or the tunnel is shut down; conn is reset where something is missing. The first byte that comes from conn is
// thrown away: the program says so that it has taken its place, and on Linux that byte is what makes a reset one.
func (t *Tunnel) Carry(d *Direct, conn *net.UnixConn) {
	defer d.release()
	t.riders.open.Add(1)
	t.riders.total.Add(1)
	defer t.riders.open.Add(-1)
	(&splice{unixconn.OfProgram(conn), d.channel, new(counter), nil}).run(context.Background()) // it ends with the session
}

// Close ends a connection that Carry was not called for.
func (d *Direct) Close() error {
	defer d.release()
	return d.channel.Close()
}
