package chaos

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	chaosRequests = 20 * time.Millisecond // between two requests of one route
	chaosPiece    = 16 << 10              // bytes of a stream that go at a time
	chaosPace     = 10 * time.Millisecond // between them
	chaosStuck    = 15 * time.Second      // a connection that gets no further for so long hangs; longer than any calamity
)

// How a connection can end.
const (
	served    = "served"
	refused   = "refused"         // not let in
	wasCut    = "reset"           // an error came in the middle
	truncated = "ended too early" // a clean end came in the middle
	corrupted = "carried other bytes"
	hung      = "got no further"
)

// deed is one connection of a client, or of a target that tunneld connected to.
type deed struct {
	route       string
	kind        string // request, download, upload, or "target of …"
	begun, done time.Time
	end         string // see above
	err         error
}

// ledger runs the clients and keeps account of all that they do.
type ledger struct {
	routes  []lab.Route
	dials   map[string]dialer // by route
	quit    chan struct{}
	working sync.WaitGroup

	mu    sync.Mutex // guards deeds
	deeds []deed
}

// newLedger opens the targets of a scene and names the routes to them.
func newLedger(s *scene) *ledger {
	g := &ledger{quit: make(chan struct{})}
	t := s.lab.T
	far := s.farEnd(func(c *net.TCPConn) { g.serve("", c) })
	near := s.nearEnd(func(c *net.TCPConn) { g.serve("R", c) })
	g.routes = []lab.Route{lab.LocalRoute(t, far), lab.DynamicRoute(t, far), lab.RemoteRoute(t, near)}
	g.dials = map[string]dialer{"L": s.near, "D": s.near, "R": s.far}
	return g
}

// start begins to work until stop: on each route a client that sends short requests, and one that moves streams.
func (g *ledger) start(seed uint64) {
	for i, r := range g.routes {
		random := rand.New(rand.NewPCG(seed, uint64(i)+1))
		g.working.Go(func() {
			for g.wait(chaosRequests) {
				g.note(g.request(r))
			}
		})
		g.working.Go(func() {
			for g.wait(chaosRequests) {
				g.note(g.stream(r, random))
			}
		})
	}
}

func (g *ledger) stop() {
	close(g.quit)
	g.working.Wait()
}

// wait is false as soon as the work is over.
func (g *ledger) wait(d time.Duration) bool {
	select {
	case <-g.quit:
		return false
	case <-time.After(d):
		return true
	}
}

func (g *ledger) note(d deed) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deeds = append(g.deeds, d)
}

// account returns all that was noted so far.
func (g *ledger) account() []deed {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.deeds[:len(g.deeds):len(g.deeds)]
}

// waitServed waits until a request on each route that was begun after since has been served, and returns when.
func (g *ledger) waitServed(t testing.TB, since time.Time) map[string]time.Time {
	t.Helper()
	back := make(map[string]time.Time)
	var waiting sync.WaitGroup
	var mu sync.Mutex
	for _, r := range g.routes {
		waiting.Go(func() {
			var d deed
			lab.Within(chaosBack, func() bool { d = g.request(r); return d.end == served })
			mu.Lock()
			defer mu.Unlock()
			if back[r.Name] = d.done; d.end != served {
				t.Errorf("%s does not serve %v after %s: %s, %v", r.Name, chaosBack, since.Format("05.000"), d.end, d.err)
			}
		})
	}
	waiting.Wait()
	return back
}

// request opens a connection, has a few bytes echoed, and closes it.
func (g *ledger) request(r lab.Route) deed {
	d := deed{route: r.Name, kind: "request", begun: time.Now()}
	d.end, d.err = g.carry(r, echoing, rand.Uint64(), 100)
	d.done = time.Now()
	return d
}

// stream moves a stream of a random size one way.
func (g *ledger) stream(r lab.Route, random *rand.Rand) deed {
	d := deed{route: r.Name, kind: "download", begun: time.Now()}
	what, size := byte(lab.Download), 1+random.Int64N(3<<20)
	if random.IntN(2) == 0 {
		d.kind, what = "upload", lab.Upload
	}
	d.end, d.err = g.carry(r, what, random.Uint64(), size)
	d.done = time.Now()
	return d
}

// echoing is the request of the transfer protocol beside download and upload: size bytes come back.
const echoing = 'E'

// carry uses one connection, and tells how it ended.
func (g *ledger) carry(r lab.Route, what byte, seed uint64, size int64) (end string, err error) {
	conn, err := g.dials[r.Name](r.Address)
	if errors.Is(err, syscall.ECONNRESET) {
		return wasCut, err // let in and reset before we looked
	}
	if err != nil {
		return refused, err
	}
	defer conn.Close()
	c := &patient{Conn: conn}
	conn.SetDeadline(time.Now().Add(chaosStuck)) // agree may read byte by byte
	if err := r.Agree(conn); err != nil {
		return ending(err)
	}
	head := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{what}, seed), uint64(size))
	if _, err := c.Write(head); err != nil {
		return ending(err)
	}
	switch what {
	case lab.Download:
		return ending(compare(c, seed, size))
	case lab.Upload:
		if err := g.send(c, seed, size); err != nil {
			return ending(err)
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return ending(err)
	}
	if err := g.send(c, seed, size); err != nil {
		return ending(err)
	}
	return ending(compare(c, seed, size))
}

// serve is the other end of carry. route names the forward whose target it is, where tunneld is the one that connects.
func (g *ledger) serve(route string, conn *net.TCPConn) {
	c := &patient{Conn: conn}
	d := deed{route: route, kind: "target of R", begun: time.Now()}
	var head [17]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return // closed before a word was said
	}
	seed, size := binary.BigEndian.Uint64(head[1:]), int64(binary.BigEndian.Uint64(head[9:]))
	var err error
	switch head[0] {
	case lab.Download:
		err = g.send(c, seed, size)
	case lab.Upload:
		if err = compare(c, seed, size); err == nil {
			_, err = c.Write([]byte{'k'})
		}
	default:
		if err = compare(c, seed, size); err == nil {
			err = g.send(c, seed, size)
		}
	}
	d.end, d.err = ending(err)
	d.done = time.Now()
	if route != "" || d.end == corrupted {
		g.note(d)
	}
}

// send writes a seed's stream, slowly enough to meet calamities.
func (g *ledger) send(c io.Writer, seed uint64, size int64) error {
	from, piece := lab.Stream(seed, size), make([]byte, chaosPiece)
	for {
		n, err := io.ReadFull(from, piece)
		if _, err := c.Write(piece[:n]); err != nil {
			return err
		}
		if err != nil {
			return nil // the end of the stream
		}
		<-time.After(chaosPace)
	}
}

var errOtherBytes = errors.New("other bytes than were sent")

// compare reads size bytes and compares each with the seed's stream.
func compare(c io.Reader, seed uint64, size int64) error {
	want := lab.Stream(seed, size)
	got, expected := make([]byte, chaosPiece), make([]byte, chaosPiece)
	for at := int64(0); at < size; {
		n, err := c.Read(got[:min(size-at, chaosPiece)])
		io.ReadFull(want, expected[:n])
		if !bytes.Equal(got[:n], expected[:n]) {
			return fmt.Errorf("%w, in the %d from byte %d", errOtherBytes, n, at)
		}
		if at += int64(n); err != nil && at < size {
			return fmt.Errorf("after %d of %d bytes: %w", at, size, err)
		}
	}
	return nil
}

// ending names how a connection ended.
func ending(err error) (string, error) {
	var late net.Error
	switch {
	case err == nil:
		return served, nil
	case errors.Is(err, errOtherBytes):
		return corrupted, err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return truncated, err
	case errors.As(err, &late) && late.Timeout():
		return hung, err
	}
	return wasCut, err
}

// patient is a connection that gives up when it gets no further for long.
type patient struct{ net.Conn }

func (p *patient) Read(b []byte) (int, error) {
	p.SetReadDeadline(time.Now().Add(chaosStuck))
	return p.Conn.Read(b)
}

func (p *patient) Write(b []byte) (int, error) {
	p.SetWriteDeadline(time.Now().Add(chaosStuck))
	return p.Conn.Write(b)
}
