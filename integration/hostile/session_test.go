package hostile

import "encoding/binary"

// enter goes through everything up to a session that works, and serves it from then on.
func (f *foe) enter() {
	f.login()
	go f.serve()
}

// login goes through everything up to authentication, which lets everybody in.
func (f *foe) login() {
	f.ask()
	f.send(sshAuthSuccess)
}

// ask goes up to the client's first authentication request.
func (f *foe) ask() {
	f.greet()
	f.keys()
	f.service()
	f.await(sshAuthRequest)
}

// serve answers what the client sends: decently, or as the hooks do.
func (f *foe) serve() {
	defer func() { recover() }()
	for {
		f.take(f.receive())
	}
}

func (f *foe) take(p []byte) {
	switch p[0] {
	case sshGlobal:
		name, rest := cut(p[1:])
		f.global(name, rest[0] != 0, rest[1:])
	case sshOpen:
		kind, rest := cut(p[1:])
		id := binary.BigEndian.Uint32(rest)
		if f.onOpen != nil {
			f.onOpen(kind, id)
			return
		}
		f.confirm(id)
	case sshData, sshExtended, sshEOF, sshClose, sshRequest, sshWindow:
		if f.onChannel != nil {
			f.onChannel(p[0], binary.BigEndian.Uint32(p[1:]), p[5:])
		}
	}
}

// confirm opens a channel with the same number on both sides and a large window.
func (f *foe) confirm(id uint32) {
	f.send(sshOpenConfirm, id, id, uint32(1<<30), 32<<10)
	f.lastOpen.Store(id)
	select {
	case f.opened <- id:
	default:
	}
}

func (f *foe) global(name string, want bool, rest []byte) {
	if f.onGlobal != nil {
		f.onGlobal(name, want, rest)
		return
	}
	switch {
	case name == "tcpip-forward":
		f.grant(rest)
	case want:
		f.send(sshGlobalFailure)
	}
}

// grantedPort is what a foe says it listens on where the client left the choice to it.
const grantedPort = 4321

// grant answers a request for a forward with a yes.
func (f *foe) grant(rest []byte) {
	_, port := cut(rest)
	if binary.BigEndian.Uint32(port) == 0 {
		f.send(sshGlobalSuccess, uint32(grantedPort))
	} else {
		f.send(sshGlobalSuccess)
	}
	f.grantOnce.Do(func() { close(f.granted) })
}

// forwarded opens a channel of a forward that the client asked for.
func (f *foe) forwarded(id uint32) {
	f.send(sshOpen, "forwarded-tcpip", id, uint32(1<<30), 32<<10, "localhost", grantedPort, "192.0.2.1", 1234)
}

// channel returns a channel that the client opened.
func (f *foe) channel() uint32 {
	select {
	case id := <-f.opened:
		return id
	case <-f.over:
		panic(foeGone{})
	}
}

// awaitGrant waits until the client has been granted a forward.
func (f *foe) awaitGrant() {
	select {
	case <-f.granted:
	case <-f.over:
		panic(foeGone{})
	}
}

// repeat does the same until the client has gone.
func (f *foe) repeat(do func(i uint32)) {
	for i := uint32(0); ; i++ {
		do(i)
	}
}
