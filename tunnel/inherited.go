package tunnel

import (
	"net"
	"sync"
)

// Inherited are listening sockets that were opened for us, for example by systemd (LISTEN_FDS, sd_listen_fds(3)). A local
// forward with the same address uses them instead of binding its own. A nil *Inherited is empty.
type Inherited struct {
	mu        sync.Mutex // guards listeners
	listeners []net.Listener
}

// NewInherited takes charge of listeners.
func NewInherited(listeners []net.Listener) *Inherited {
	return &Inherited{listeners: listeners}
}

// take gives the listener with that address, or nil. The caller closes it.
func (i *Inherited) take(network, address string) net.Listener {
	if i == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, l := range i.listeners {
		if l.Addr().Network() == network && l.Addr().String() == address {
			i.listeners = append(i.listeners[:n], i.listeners[n+1:]...)
			return l
		}
	}
	return nil
}

// Rest gives the listeners that no forward asked for, and forgets them. The caller closes them.
func (i *Inherited) Rest() []net.Listener {
	if i == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	rest := i.listeners
	i.listeners = nil
	return rest
}
