package autossh

import (
	"context"
	"errors"
	"fmt"
	"time"

	spec "github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/tunnel"
)

// deathTime is how long the end of a connection may take to show after a request on it has failed for that.
const deathTime = time.Second

// listen has the server listen, within limit, and the write port lead there. Where it does not, err is ErrPortDown if the server
// has not answered: that is no link to be kept.
func (w *watch) listen(ctx context.Context, limit time.Duration) (ok bool, err error) {
	l := w.loop
	if l.monitor.EchoPort != 0 {
		l.use(w.path, l.monitor.EchoPort)
		return true, nil
	}
	asking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	port, err := w.ask(asking)
	if err == nil {
		l.use(w.path, port)
		return true, nil
	}
	if errors.Is(err, tunnel.ErrListenDenied) {
		l.warn("the server does not let the monitor port listen (%v): this connection is watched by keepalives alone", err)
		return false, nil
	}
	late := asking.Err() != nil
	if !late {
		end := time.NewTimer(deathTime)
		defer end.Stop()
		select {
		case <-end.C:
		case <-w.path.Done():
		case <-ctx.Done():
		}
	}
	switch {
	case w.isOver(ctx): // which is told where connections end
		return false, nil
	case late:
		l.warn("the server does not say within %v whether the monitor port listens", limit)
		l.log.Say(spec.PortDown())
		return false, ErrPortDown
	}
	l.warn("the monitor port is of no use (%v): this connection is watched by keepalives alone", err)
	return false, nil
}

// firstPause is the time after which the monitor port is asked for again where it is taken; it doubles up to POLL.
const firstPause = time.Second

// ask returns the port at the server that leads back to the read port.
func (w *watch) ask(ctx context.Context) (port int, err error) {
	l := w.loop
	if w.giveUp, err = w.askForMonitorPort(ctx); !errors.Is(err, tunnel.ErrListenDenied) {
		return l.monitor.Port, err
	}
	l.log.SSH(Info, fmt.Sprintf("Warning: remote port forwarding failed for listen port %d", l.monitor.Port))
	port, w.giveUp, err = w.path.ListenBack(ctx, 0, l.read.Addr().String())
	if err == nil {
		l.warn("monitor port %d is taken at the server, which chose %d in its place", l.monitor.Port, port)
		w.askLater(firstPause)
	}
	return port, err
}

func (w *watch) askLater(pause time.Duration) { w.pause, w.again = pause, time.Now().Add(pause) }

// askAgain asks once more for the monitor port, which scripts look for: who has it may let it go, such as a server that has not
// noticed the end of our last connection. It takes no time from the test at until.
func (w *watch) askAgain(ctx context.Context, until time.Time) {
	l := w.loop
	asking, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	_, port := l.way()
	giveUp, err := w.askForMonitorPort(asking)
	if err != nil {
		l.use(w.path, port)
		w.askLater(min(2*w.pause, max(l.settings.Poll, firstPause)))
		return
	}
	w.stopListening()
	w.giveUp, w.again = giveUp, time.Time{}
	l.say("monitor port %d is free at the server by now, and is used", l.monitor.Port)
}

var (
	errElsewhere = fmt.Errorf("what goes there does not come back: %w", tunnel.ErrListenDenied)
	errOver      = errors.New("the connection is not tested any more")
)

// askForMonitorPort has the server listen on the monitor port, and the write port lead there. sshd is content with the port of
// [::1] where another program has that of 127.0.0.1: then it is refused as well.
func (w *watch) askForMonitorPort(ctx context.Context) (giveUp func(context.Context) error, err error) {
	l := w.loop
	port, giveUp, err := w.path.ListenBack(ctx, l.monitor.Port, l.read.Addr().String())
	if err != nil {
		return nil, err
	}
	l.use(w.path, port)
	switch err = l.try(ctx, l.newLine()); {
	case err == nil:
		return giveUp, nil
	case w.isOver(context.WithoutCancel(ctx)):
		return nil, errOver
	}
	giveUp(context.WithoutCancel(ctx)) // which has a limit
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, errElsewhere
}

// stopListening has the server listen no more. It does nothing for a connection that has ended.
func (w *watch) stopListening() {
	if w.giveUp != nil && !w.isOver(context.Background()) {
		w.giveUp(context.Background()) // which has a limit; where it fails, the end of the connection does the same
	}
}
