package dns

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// limits are what one listener may take, and how long things may last.
type limits struct {
	queries int           // that wait for their answers
	bytes   int           // of them
	streams int           // that take queries
	open    int           // of which the other end is not rid yet, those included
	strays  int           // answers on one stream that nobody has asked for
	query   time.Duration // until an answer is there; a resolver asks again after 5 s, and gives up after twice that (resolv.conf(5))
	fair    time.Duration // that a query waits at least, where so many do that there is no room for another
	idle    time.Duration // of a stream without a query (RFC 7766 §6.2.3)
	age     time.Duration // of a stream that takes more queries: a connection to the server that is to be replaced waits for it
}

var usual = limits{
	queries: 512, bytes: 1 << 20, streams: 8, open: 32, strays: 64,
	query: 8 * time.Second, fair: time.Second, idle: 10 * time.Second, age: 30 * time.Second,
}

// Listener takes queries on a port of UDP, and hands out streams on which they are asked. It is a net.Listener.
type Listener struct {
	conn    *net.UDPConn
	limits  limits
	several bool // it has several addresses: each answer has to come from the one that was asked
	fresh   chan *stream
	closed  chan struct{}
	reading sync.WaitGroup

	mu      sync.Mutex     // guards all following fields, and those of streams and queries
	waiting map[key]*query // for their answers
	bytes   int            // of those
	streams []*stream      // that have not ended
	open    int            // streams that were handed out and not closed
	crowded time.Time      // until when no query has waited for long enough to make room
	ended   bool           // by Close
}

// Listen takes queries at an address of the network udp4 or udp6, whose port is not 0, until Close.
func Listen(ctx context.Context, network, address string) (*Listener, error) {
	var config net.ListenConfig
	conn, err := config.ListenPacket(ctx, network, address)
	if err != nil {
		return nil, err
	}
	udp := conn.(*net.UDPConn)
	at := udp.LocalAddr().(*net.UDPAddr)
	several := at.IP.IsUnspecified() && tellDestination(udp, at.IP.To4() == nil) == nil
	return newListener(udp, several, usual), nil
}

func newListener(conn *net.UDPConn, several bool, most limits) *Listener {
	l := &Listener{
		conn: conn, several: several, limits: most, waiting: make(map[key]*query),
		fresh: make(chan *stream, most.open), closed: make(chan struct{}),
	}
	l.reading.Go(l.read)
	return l
}

// Accept returns the next stream. It blocks until queries want one, and returns net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case s := <-l.fresh:
		l.mu.Lock()
		defer l.mu.Unlock()
		s.taken = true
		return s, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Addr returns where queries are taken, a *net.UDPAddr.
func (l *Listener) Addr() net.Addr { return l.conn.LocalAddr() }

// Renew has no stream that was handed out take another query: they may lead to another server than the next one. What was asked
// already is answered by whom it was asked of.
func (l *Listener) Renew() {
	l.mu.Lock()
	var all replies
	for _, s := range slices.Clone(l.streams) {
		s.stale = s.taken
		if s.taken && (!s.opened || len(s.pending) == 0) {
			all = append(all, s.endLocked(true)...)
		}
	}
	l.mu.Unlock()
	l.send(all)
}

// Close stops taking queries, tells those who wait that there is no answer, and ends the streams.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return net.ErrClosed
	}
	l.ended = true
	close(l.closed)
	var all replies
	for _, q := range l.waiting {
		all = append(all, q.endLocked(failure(q.text, serverFailure)))
	}
	for _, s := range slices.Clone(l.streams) {
		s.endLocked(false)
	}
	l.mu.Unlock()
	l.send(all)
	err := l.conn.Close()
	l.reading.Wait()
	return err
}

// troubleTime is how long reading pauses where it fails.
const troubleTime = 100 * time.Millisecond

// read takes queries until Close.
func (l *Listener) read() {
	packet, control := make([]byte, maxMessage), make([]byte, controlSize)
	for {
		n, m, _, from, err := l.conn.ReadMsgUDPAddrPort(packet, control)
		if err == nil {
			l.take(packet[:n], control[:m], from)
			continue
		}
		select {
		case <-l.closed:
			return
		case <-time.After(troubleTime):
		}
	}
}

// take has a datagram answered, unless it is none that wants an answer: those of others are never answered, so that no two of us
// answer each other without end.
func (l *Listener) take(packet, control []byte, from netip.AddrPort) {
	if len(packet) < headerSize || isResponse(packet) {
		return
	}
	q := &query{listener: l, text: slices.Clone(packet), id: idOf(packet)}
	q.to = reply{to: from}
	if l.several {
		q.to.control = sameSource(control)
	}
	end, ok := questionEnd(packet)
	if !ok {
		q.to.text = failure(packet, formatError)
		l.send(replies{q.to})
		return
	}
	q.key = key{from, q.id, string(packet[headerSize:end])}
	l.mu.Lock()
	all := l.admitLocked(q)
	l.mu.Unlock()
	l.send(all)
}

// admitLocked has q asked. One that is asked already waits for that answer: its resolver has grown impatient.
func (l *Listener) admitLocked(q *query) replies {
	if _, known := l.waiting[q.key]; known || l.ended {
		return nil
	}
	all, ok := l.makeRoomLocked(len(q.text))
	if !ok {
		q.to.text = failure(q.text, serverFailure)
		return append(all, q.to)
	}
	l.waiting[q.key] = q
	l.bytes += len(q.text)
	q.since, q.timer = time.Now(), time.AfterFunc(l.limits.query, q.late)
	return append(all, l.askLocked(q)...)
}

// askLocked puts q on a stream: on one that does nothing else, or on a new one, or where there are many on the one that does the
// least. A server that answers one query after the other, as some do, lets few wait for a slow one so.
func (l *Listener) askLocked(q *query) replies {
	l.ageLocked()
	var least *stream
	able := 0
	for _, s := range l.streams {
		if s.stale {
			continue
		}
		able++
		if least == nil || len(s.pending) < len(least.pending) {
			least = s
		}
	}
	if (least == nil || len(least.pending) > 0 && able < l.limits.streams) && l.open < l.limits.open {
		least = newStream(l)
	}
	if least == nil {
		return replies{q.endLocked(failure(q.text, serverFailure))}
	}
	least.addLocked(q)
	return nil
}

// ageLocked retires the streams that are old.
func (l *Listener) ageLocked() {
	for _, s := range slices.Clone(l.streams) {
		if !s.opened || time.Since(s.began) < l.limits.age {
			continue
		}
		s.stale = true
		if len(s.pending) == 0 {
			s.endLocked(false)
		}
	}
}

// What a datagram may hold: all that one can on this machine, and elsewhere what gets through anywhere, which is also how much
// more than the question can be sent to somebody who has not asked.
const (
	largestHere  = 65000
	largestThere = ownSize
)

func largest(to netip.Addr) int {
	if to.Unmap().IsLoopback() {
		return largestHere
	}
	return largestThere
}

// reply is a datagram for who has asked.
type reply struct {
	to      netip.AddrPort
	control []byte // what has it come from where the question went; empty: the kernel knows
	text    []byte // nil: there is nothing to say
}

type replies []reply

// send is called without the lock.
func (l *Listener) send(all replies) {
	for _, r := range all {
		if r.text != nil {
			l.conn.WriteMsgUDPAddrPort(r.text, r.control, r.to) // who has left does not miss it
		}
	}
}
