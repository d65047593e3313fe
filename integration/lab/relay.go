package lab

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Relay is a TCP proxy on 127.0.0.1 that breaks links on demand. It passes half-closes on.
type Relay struct {
	t    testing.TB
	Port int

	mu       sync.Mutex // guards all below
	target   string
	listener net.Listener
	links    map[*RelayLink]bool
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
	ToServer = iota
	ToClient
)

// StartRelay returns a relay that listens on a new port of 127.0.0.1 and connects to target for each connection.
func StartRelay(t testing.TB, target string) *Relay {
	t.Helper()
	r := &Relay{
		t: t, Port: FreePort(t), target: target,
		links: make(map[*RelayLink]bool), changed: make(chan struct{}),
	}
	r.Open()
	t.Cleanup(func() {
		r.Shut()
		r.Cut()
		r.wg.Wait()
	})
	return r
}

func (r *Relay) Address() string { return Loopback(r.Port) }

// Open starts to listen; again after shut.
func (r *Relay) Open() {
	r.t.Helper()
	var l net.Listener
	var err error
	if !Within(Patience, func() bool { // a child that was just started may still have the listener of before
		l, err = net.Listen("tcp", r.Address())
		return err == nil
	}) {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.listener = l
	r.mu.Unlock()
	r.wg.Go(func() { r.accept(l) })
}

// Shut stops listening: new connections are refused, those that are open live on.
func (r *Relay) Shut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != nil {
		r.listener.Close()
		r.listener = nil
	}
}

// Cut resets every open connection at both ends.
func (r *Relay) Cut() { r.breakLinks((*RelayLink).Reset) }

// HangUp closes every open connection at both ends as if both were done (FIN).
func (r *Relay) HangUp() { r.breakLinks((*RelayLink).close) }

func (r *Relay) breakLinks(how func(*RelayLink)) {
	r.mu.Lock()
	links := r.links
	r.links = make(map[*RelayLink]bool)
	r.mu.Unlock()
	for l := range links {
		how(l)
	}
}

// Freeze stops passing bytes, both ways or those given, on open connections and new ones; nothing is closed.
func (r *Relay) Freeze(directions ...int) { r.setFrozen(true, directions) }

// Thaw passes bytes again, those held back first.
func (r *Relay) Thaw() { r.setFrozen(false, nil) }

func (r *Relay) setFrozen(on bool, directions []int) {
	if len(directions) == 0 {
		directions = []int{ToServer, ToClient}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range directions {
		r.frozen[d] = on
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// Aim connects new connections to another target.
func (r *Relay) Aim(target string) { r.set(func() { r.target = target }) }

// SetDelay holds every byte back for d, each way, without narrowing the way.
func (r *Relay) SetDelay(d time.Duration) { r.set(func() { r.delay = d }) }

// SetMute makes new connections end in nothing: accepted, but never connected to the server.
func (r *Relay) SetMute(on bool) { r.set(func() { r.mute = on }) }

// SetRefuse resets new connections as soon as they are accepted; they still count.
func (r *Relay) SetRefuse(on bool) { r.set(func() { r.refuse = on }) }

// AnswerNext has serve answer the next connection in the server's stead, which is closed when it returns.
func (r *Relay) AnswerNext(serve func(net.Conn)) { r.set(func() { r.impostor = serve }) }

// Damage changes one bit of what each open connection carries next in a direction.
func (r *Relay) Damage(direction int) { r.set(func() { r.damaged[direction]++ }) }

// damages returns how often damage was asked for.
func (r *Relay) damages(direction int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.damaged[direction]
}

func (r *Relay) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// Count returns the number of connections accepted since the start.
func (r *Relay) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accepted
}

// OpenLinks returns the number of connections that are open.
func (r *Relay) OpenLinks() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.links)
}

func (r *Relay) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.accepted++
		refuse := r.refuse
		link := &RelayLink{relay: r, target: r.target, client: conn.(*net.TCPConn), delay: r.delay, ended: make(chan struct{})}
		if !refuse {
			r.links[link] = true
		}
		mute, impostor := r.mute, r.impostor
		r.impostor = nil
		r.mu.Unlock()
		switch {
		case refuse:
			link.Reset()
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
func (r *Relay) awaitThaw(direction int, ended <-chan struct{}) bool {
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

// Some returns the links that are open.
func (r *Relay) Some() []*RelayLink {
	r.mu.Lock()
	defer r.mu.Unlock()
	var links []*RelayLink
	for l := range r.links {
		links = append(links, l)
	}
	return links
}
