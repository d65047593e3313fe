package integration

import (
	"net"
	"sync"
	"testing"
	"time"
)

// relay is a TCP proxy on 127.0.0.1 that breaks links on demand. It passes half-closes on.
type relay struct {
	t    testing.TB
	port int

	mu       sync.Mutex // guards all below
	target   string
	listener net.Listener
	links    map[*relayLink]bool
	accepted int
	mute     bool           // new connections are accepted and get nothing
	refuse   bool           // new connections are reset at once
	impostor func(net.Conn) // serves the next connection; nil: the server does
	delay    time.Duration  // each way
	frozen   [2]bool        // by direction
	damaged  [2]int         // by direction: how often something on its way was to be damaged
	changed  chan struct{}  // closed and replaced when frozen changes
	wg       sync.WaitGroup
}

// Directions through a relay.
const (
	toServer = iota
	toClient
)

// startRelay gives a relay that listens on a new port of 127.0.0.1 and connects to target for each connection.
func startRelay(t testing.TB, target string) *relay {
	t.Helper()
	r := &relay{
		t: t, port: freePort(t), target: target,
		links: make(map[*relayLink]bool), changed: make(chan struct{}),
	}
	r.open()
	t.Cleanup(func() {
		r.shut()
		r.cut()
		r.wg.Wait()
	})
	return r
}

func (r *relay) address() string { return loopback(r.port) }

// open starts to listen; again after shut.
func (r *relay) open() {
	r.t.Helper()
	var l net.Listener
	var err error
	if !within(patience, func() bool { // a child that was just started may still have the listener of before
		l, err = net.Listen("tcp", r.address())
		return err == nil
	}) {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.listener = l
	r.mu.Unlock()
	r.wg.Go(func() { r.accept(l) })
}

// shut stops listening: new connections are refused, those that are open live on.
func (r *relay) shut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != nil {
		r.listener.Close()
		r.listener = nil
	}
}

// cut resets every open connection at both ends.
func (r *relay) cut() { r.breakLinks((*relayLink).reset) }

// hangUp closes every open connection at both ends as if both were done (FIN).
func (r *relay) hangUp() { r.breakLinks((*relayLink).close) }

func (r *relay) breakLinks(how func(*relayLink)) {
	r.mu.Lock()
	links := r.links
	r.links = make(map[*relayLink]bool)
	r.mu.Unlock()
	for l := range links {
		how(l)
	}
}

// freeze stops passing bytes, both ways or those given, on open connections and new ones; nothing is closed.
func (r *relay) freeze(directions ...int) { r.setFrozen(true, directions) }

// thaw passes bytes again, those held back first.
func (r *relay) thaw() { r.setFrozen(false, nil) }

func (r *relay) setFrozen(on bool, directions []int) {
	if len(directions) == 0 {
		directions = []int{toServer, toClient}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range directions {
		r.frozen[d] = on
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// aim connects new connections to another target.
func (r *relay) aim(target string) { r.set(func() { r.target = target }) }

// setDelay holds every byte back for d, each way, without narrowing the way.
func (r *relay) setDelay(d time.Duration) { r.set(func() { r.delay = d }) }

// setMute makes new connections end in nothing: accepted, but never connected to the server.
func (r *relay) setMute(on bool) { r.set(func() { r.mute = on }) }

// setRefuse resets new connections as soon as they are accepted; they still count.
func (r *relay) setRefuse(on bool) { r.set(func() { r.refuse = on }) }

// answerNext has serve answer the next connection in the server's stead, which is closed when it returns.
func (r *relay) answerNext(serve func(net.Conn)) { r.set(func() { r.impostor = serve }) }

// damage changes one bit of what each open connection carries next in a direction.
func (r *relay) damage(direction int) { r.set(func() { r.damaged[direction]++ }) }

// damages tells how often damage was asked for.
func (r *relay) damages(direction int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.damaged[direction]
}

func (r *relay) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// count gives the number of connections accepted since the start.
func (r *relay) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accepted
}

// openLinks gives the number of connections that are open.
func (r *relay) openLinks() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.links)
}

func (r *relay) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.accepted++
		refuse := r.refuse
		link := &relayLink{relay: r, target: r.target, client: conn.(*net.TCPConn), delay: r.delay, ended: make(chan struct{})}
		if !refuse {
			r.links[link] = true
		}
		mute, impostor := r.mute, r.impostor
		r.impostor = nil
		r.mu.Unlock()
		switch {
		case refuse:
			link.reset()
		case impostor != nil:
			r.wg.Go(func() {
				defer link.close()
				impostor(link.client)
			})
		case !mute:
			r.wg.Go(link.run)
		}
	}
}

// awaitThaw blocks while a direction is frozen; false when the link has ended.
func (r *relay) awaitThaw(direction int, ended <-chan struct{}) bool {
	for {
		r.mu.Lock()
		frozen, changed := r.frozen[direction], r.changed
		r.mu.Unlock()
		if !frozen {
			return true
		}
		select {
		case <-changed:
		case <-ended:
			return false
		}
	}
}

// some gives the links that are open.
func (r *relay) some() []*relayLink {
	r.mu.Lock()
	defer r.mu.Unlock()
	var links []*relayLink
	for l := range r.links {
		links = append(links, l)
	}
	return links
}
