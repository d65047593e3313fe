package tunnel

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// The two halves of a loop that others may look at: a port at the server that leads to one here, and connections of ours that
// are carried to a port there. Its owner listens here and compares what comes back, as autossh does. Echo is a loop as well,
// but one that nobody else sees.

// ErrListenDenied says that the server does not listen for us: the port is taken, or not allowed.
var ErrListenDenied = errDenied

const (
	maxLoopConnections = 16               // at once, each way: anybody at the server can come
	loopDialTime       = 10 * time.Second // of our own port, which nobody else has
)

// ListenBack has the server listen on its loopback until s ends or giveUp has returned; 0 is a port of its choosing. What connects
// there is joined to target, an address of this machine. It returns the port. A refusal is ErrListenDenied.
func (s *Session) ListenBack(ctx context.Context, port int, target string) (bound int, giveUp func(context.Context) error, err error) {
	var open atomic.Int32
	accept := func(ctx context.Context, c arrival) {
		defer open.Add(-1)
		if open.Add(1) > maxLoopConnections {
			c.reject(ssh.ResourceShortage, "too many connections at once")
			return
		}
		loopBack(ctx, c, target)
	}
	// "localhost" may be [::1] alone where another program has the port that is chosen of 127.0.0.1, which Carry goes to.
	at := config.Endpoint{Host: "127.0.0.1", HostSet: port == 0, Port: port}
	l, err := s.listen(ctx, at, accept)
	if port == 0 && errors.Is(err, errDenied) { // PermitListen knows localhost by that name
		l, err = s.listen(ctx, config.Endpoint{}, accept)
	}
	if err != nil {
		return 0, nil, err
	}
	return int(l.port), func(ctx context.Context) error { return s.unlisten(ctx, l) }, nil
}

func loopBack(ctx context.Context, c arrival, target string) {
	dialer := net.Dialer{Timeout: loopDialTime}
	conn, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		c.reject(ssh.ConnectionFailed, refusalText(err))
		return
	}
	ch, err := c.accept()
	if err != nil {
		reset(conn.(stream))
		return
	}
	(&splice{conn.(stream), ch, new(counter), nil}).run(ctx)
}

// Carry joins conn to a port of the server's own loopback, until one of them ends, s does, or ctx is done. It closes conn. A
// refusal is an *ssh.OpenChannelError.
func (s *Session) Carry(ctx context.Context, conn *net.TCPConn, port int) error {
	payload := sshconn.MarshalTCPOpen("127.0.0.1", uint32(port), "127.0.0.1", 65535)
	ch, err := s.open(ctx, "loop", "direct-tcpip", payload)
	if err != nil {
		reset(conn)
		return err
	}
	(&splice{conn, ch, new(counter), nil}).run(ctx)
	return nil
}
