package forward

import (
	"errors"
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	deathsOfEach = 5
	streamsEach  = 80
	underWay     = 256 << 10 // bytes of a stream that the server sends ahead of the client: what all of them have under way is read in a moment
)

// However a connection dies, no client of it may take what it got for all there is: every stream that was running is
// reset. The SSH library ends all channels in the same way as the server does, just before it reports that the connection is
// dead; 10 to 40 % of streams ended cleanly.
func TestTruncatedTransfersAreReset(t *testing.T) {
	for _, d := range lab.Deaths {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			kill := make(chan int, 1)
			server := lab.StartRawServer(t, func(c *lab.RawConn) {
				dying, over := make(chan int), make(chan struct{})
				var watch sync.WaitGroup
				watch.Go(func() {
					select {
					case n := <-kill:
						dying <- n
					case <-over:
					}
				})
				streamEndlessly(c, dying, d.Die)
				close(over)
				watch.Wait()
			})
			a := lab.NewAccount(t)
			a.Trust(server.Address(), server.HostKey)
			a.Host(lab.Alias, server.Port(), "TunneldEcho off")
			r := lab.LocalRoute(t, "127.0.0.1:1")
			l := &lab.Lab{T: t, Account: a}
			p := l.Start(lab.Tunneld, r.Flags...)
			lab.WaitUp(t, p, 0)
			for n := range deathsOfEach {
				from := p.Mark()
				if n == 0 {
					from = 0
				}
				ends := readAll(t, r, streamsEach, func() { kill <- n })
				if ends.reset != streamsEach {
					t.Errorf("death %d: %d of %d streams were reset; %v", n, ends.reset, streamsEach, ends.examples)
				}
				lab.WaitLost(t, p, from, lab.Patience)
			}
		})
	}
}

// A server that is killed is one more death, with a real server.
func TestTruncatedTransfersOfKilledServerAreReset(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, func(c *net.TCPConn) {
		for buffer := make([]byte, 32<<10); ; {
			if _, err := c.Write(buffer); err != nil {
				return
			}
		}
	}).Address())
	p := l.Open(lab.Tunneld, []lab.Route{r}, "-o", "TunneldEcho=off")
	for n := range deathsOfEach {
		from := p.Mark()
		ends := readAll(t, r, streamsEach, l.Server.KillSessions)
		if ends.reset != streamsEach {
			t.Errorf("death %d: %d of %d streams were reset; %v", n, ends.reset, streamsEach, ends.examples)
		}
		lab.WaitLost(t, p, from, lab.Patience)
	}
}

// ends is how streams ended.
type ends struct {
	reset    int
	examples []error
}

// readAll has count clients read through r, calls kill when all have got some bytes, and waits until all have ended.
func readAll(t *testing.T, r lab.Route, count int, kill func()) ends {
	t.Helper()
	results, flowing := make(chan error, count), make(chan struct{}, count)
	for range count {
		go func() { results <- readOne(r, flowing) }()
	}
	var e ends
	var failed []error
	for began := 0; began < count; {
		select {
		case <-flowing:
			began++
		case err := <-results:
			t.Fatalf("a stream ended before the death, %d of %d had begun: %v", began, count, err)
		}
	}
	kill()
	for range count {
		err := <-results
		if lab.WasReset(err) {
			e.reset++
		} else {
			failed = append(failed, err)
		}
	}
	e.examples = failed[:min(len(failed), 3)]
	return e
}

// readOne reads to the end. It says when bytes flow.
func readOne(r lab.Route, flowing chan<- struct{}) error {
	conn, err := r.Dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	for got, buffer := 0, make([]byte, 64<<10); ; {
		conn.SetReadDeadline(time.Now().Add(lab.Patience))
		n, err := conn.Read(buffer)
		if got == 0 && n > 0 {
			flowing <- struct{}{}
		}
		got += n
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("a stream without end ended cleanly after %d bytes", got)
		}
		if err != nil {
			return err
		}
	}
}

// rawChannel is a channel of the raw server, as it was opened.
type rawChannel struct {
	id     uint32       // the client's number
	window atomic.Int64 // what may still be sent
}

// streamEndlessly grants every channel and sends to all of them without end, until dying yields a number for die.
func streamEndlessly(c *lab.RawConn, dying <-chan int, die func(*lab.RawConn, int)) {
	var mu sync.Mutex
	var channels []*rawChannel
	more := make(chan struct{}, 1)
	ended := make(chan struct{})
	var reading sync.WaitGroup
	defer reading.Wait()
	defer c.Close()
	reading.Go(func() {
		defer close(ended)
		for {
			m, err := c.Read()
			if err != nil {
				return
			}
			f := lab.RawFields{Rest: m[1:]}
			switch m[0] {
			case lab.MsgGlobalRequest:
				if f.Text(); f.Bool() {
					c.Send(lab.MsgRequestFailure)
				}
			case lab.MsgChannelOpen:
				f.Text()
				ch := &rawChannel{id: f.Uint32()}
				ch.window.Store(min(int64(f.Uint32()), underWay))
				number := uint32(len(channels)) // nobody else writes them
				c.Send(lab.MsgChannelConfirm, ch.id, number, uint32(1<<20), uint32(32<<10))
				mu.Lock()
				channels = append(channels, ch) // what would be sent before the confirmation is lost
				mu.Unlock()
			case lab.MsgWindowAdjust:
				number := f.Uint32()
				mu.Lock()
				channels[number].window.Add(int64(f.Uint32()))
				mu.Unlock()
			}
			select {
			case more <- struct{}{}:
			default:
			}
		}
	})
	data := make([]byte, 8<<10)
	for {
		mu.Lock()
		open := slices.Clone(channels)
		mu.Unlock()
		sent := false
		for _, ch := range open {
			select {
			case n := <-dying:
				die(c, n)
				<-ended // the client closes
				return
			default:
			}
			if ch.window.Load() >= int64(len(data)) {
				ch.window.Add(-int64(len(data)))
				c.Send(lab.MsgChannelData, ch.id, data)
				sent = true
			}
		}
		if !sent {
			select {
			case <-more:
			case n := <-dying:
				die(c, n)
				<-ended
				return
			case <-ended:
				return
			}
		}
	}
}
