package sshconn

import (
	"context"
	"net"
	"net/netip"
	"time"
)

const (
	redialEvery = 3 * time.Second // between two connection requests to the same address
	redialMost  = 5               // of them at a time; the oldest gives way
)

// redial returns a connector that keeps sending requests to an address that does not answer. The kernel does so, too, but waits
// twice as long each time: a server that can be reached again after twenty seconds would be found after thirty. The first
// answer counts, be it a connection or a refusal; all other requests are withdrawn.
func redial(connect connector) connector {
	type answer struct {
		conn      net.Conn
		err       error
		withdrawn bool
	}
	return func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		ctx, cancel := context.WithCancel(ctx)
		answers := make(chan answer)
		var open []context.CancelFunc // requests, oldest first
		running := 0
		ask := func() {
			own, withdraw := context.WithCancel(ctx)
			open = append(open, withdraw)
			running++
			go func() {
				conn, err := connect(own, to)
				answers <- answer{conn, err, own.Err() != nil}
			}()
		}
		defer func() {
			cancel()
			for ; running > 0; running-- {
				if a := <-answers; a.conn != nil {
					a.conn.Close()
				}
			}
		}()

		ask()
		pace := time.NewTicker(redialEvery)
		defer pace.Stop()
		for {
			select {
			case a := <-answers:
				running--
				if a.err == nil || !a.withdrawn || ctx.Err() != nil {
					return a.conn, a.err
				}
			case <-pace.C:
				if ask(); len(open) > redialMost {
					open[0]()
					open = open[1:]
				}
			}
		}
	}
}
