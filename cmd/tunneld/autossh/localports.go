package autossh

import "sync"

// LocalPorts binds the local forwards at a start of ssh: with ExitOnForwardFailure one that is taken is the end of that ssh, and
// the rules say when there is another. Attempts follow each other until they are bound.
type LocalPorts struct {
	listen func() error  // nil: there is nothing to bind
	bound  bool          // used by attempts
	tried  chan struct{} // closed when they have been asked for once
	first  sync.Once     // closes tried
}

// Begin is called before the first attempt. listen binds them.
func (p *LocalPorts) Begin(listen func() error) {
	p.listen, p.tried = listen, make(chan struct{})
}

// Tried is closed when they have been asked for once.
func (p *LocalPorts) Tried() <-chan struct{} { return p.tried }

// Bind binds them, unless they are. It is for one attempt after the other.
func (p *LocalPorts) Bind() error {
	if p.bound || p.listen == nil {
		return nil
	}
	defer p.first.Do(func() { close(p.tried) })
	err := p.listen()
	p.bound = err == nil
	return err
}
