package sshconn

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/hostkey"
)

// learnTime bounds the exchange after hostkeys-00@openssh.com.
const learnTime = 30 * time.Second

// Learn learns the host keys of a hostkeys-00@openssh.com request (OpenSSH PROTOCOL §2.5), where UpdateHostKeys wants that. request asks
// the server. What goes wrong is for the log: the connection is as good as before.
func (l *Conn) Learn(ctx context.Context, payload []byte, request hostkey.Request, log *slog.Logger) {
	if l.HostKeys == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, learnTime)
	defer cancel()
	keys, err := hostkey.AnnouncedKeys(payload)
	if err == nil {
		err = l.HostKeys.Update(ctx, l.Conn, request, keys)
	}
	if err != nil {
		log.Debug("host keys not learned", "err", err)
	}
}

// serveJump answers the global requests of a jump host until its connection ends. Its host keys are learned as by the ssh that ProxyJump
// starts for it: one that is to give up its key has announced the next one for months by then.
func (l *Conn) serveJump(log *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l.Wire.OnDead(cancel)
	learned := false
	for r := range l.Reqs {
		if r.Type == hostkey.Announcement && !learned {
			learned = true // as Session.serveRequest
			go l.Learn(ctx, r.Payload, l.request, log)
		}
		if err := r.Reply(false, nil); err != nil {
			log.Debug("global request not answered", "request", foreign.Line(r.Type), "err", err)
		}
	}
}

// request sends a global request and waits for the answer, or for ctx. The library's call ends with the connection.
func (l *Conn) request(ctx context.Context, name string, payload []byte) (ok bool, answer []byte, err error) {
	type reply struct {
		ok     bool
		answer []byte
		err    error
	}
	answered := make(chan reply, 1)
	go func() {
		ok, answer, err := l.Conn.SendRequest(name, true, payload)
		answered <- reply{ok, answer, err}
	}()
	select {
	case r := <-answered:
		return r.ok, r.answer, r.err
	case <-ctx.Done():
		return false, nil, context.Cause(ctx)
	}
}

// rejectChannels refuses what a jump host opens.
func rejectChannels(chans <-chan ssh.NewChannel) {
	for c := range chans {
		c.Reject(ssh.Prohibited, "no channel is expected here")
	}
}
