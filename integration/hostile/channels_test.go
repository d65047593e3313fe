package hostile

import (
	"strings"
)

// truncated begins a stream on a channel of the client, which the server then breaks off.
func (f *foe) truncated() uint32 {
	id := f.channel()
	f.send(sshData, id, promise+strings.Repeat(".", 2000))
	return id
}

func hostileChannels() []hostility {
	packet := strings.Repeat("d", 32<<10-100)
	return []hostility{
		{"opens are never answered", hooked(func(f *foe) { f.onOpen = func(string, uint32) {} })},
		{"opens are refused with ugly words", hooked(func(f *foe) { f.onOpen = func(_ string, id uint32) { f.send(sshOpenFailure, id, 2, ugly, "en") } })},
		{"opens are refused with many words", hooked(func(f *foe) {
			f.onOpen = func(_ string, id uint32) { f.send(sshOpenFailure, id, 99, strings.Repeat(ugly, 3000), ugly) }
		})},
		{"opens are confirmed twice", hooked(func(f *foe) { f.onOpen = func(_ string, id uint32) { f.confirm(id); f.confirm(id) } })},
		{"opens are confirmed and refused", hooked(func(f *foe) {
			f.onOpen = func(_ string, id uint32) { f.confirm(id); f.send(sshOpenFailure, id, 1, "no", "") }
		})},
		{"confirms channels that nobody opened", connected(func(f *foe) { f.repeat(func(i uint32) { f.confirm(i + 1000) }) })},
		{"accepts and says nothing", connected(func(f *foe) { f.hang() })},
		{"packets of no size", hooked(func(f *foe) {
			f.onOpen = func(_ string, id uint32) { f.send(sshOpenConfirm, id, id, uint32(1<<30), 0) }
		})},
		{"packets of a huge size", hooked(func(f *foe) {
			f.onOpen = func(_ string, id uint32) { f.send(sshOpenConfirm, id, id, uint32(1<<31), uint32(1<<31)) }
		})},
		{"no window", hooked(func(f *foe) { f.onOpen = func(_ string, id uint32) { f.send(sshOpenConfirm, id, id, 0, 32<<10) } })},
		{"windows that overflow", connected(func(f *foe) {
			id := f.channel()
			f.repeat(func(uint32) { f.send(sshWindow, id, uint32(1<<32-1)) })
		})},
		{"windows of nothing for ever", connected(func(f *foe) { id := f.channel(); f.repeat(func(uint32) { f.send(sshWindow, id, 0) }) })},
		{"data beyond the window", connected(func(f *foe) { id := f.truncated(); f.repeat(func(uint32) { f.send(sshData, id, packet) }) })},
		{"data of no length for ever", connected(func(f *foe) { id := f.channel(); f.repeat(func(uint32) { f.send(sshData, id, "") }) })},
		{"data a byte at a time", connected(func(f *foe) { id := f.channel(); f.repeat(func(uint32) { f.send(sshData, id, "x") }) })},
		{"data on a channel that nobody has", connected(func(f *foe) { f.truncated(); f.second(); f.send(sshData, 4711, "x"); f.hang() })},
		{"a wrong length of data", connected(func(f *foe) {
			id := f.truncated()
			f.second()
			f.send(sshData, id, uint32(1<<31), []byte("x"))
			f.hang()
		})},
		{"extended data for ever", connected(func(f *foe) { id := f.channel(); f.repeat(func(uint32) { f.send(sshExtended, id, 1, packet) }) })},
		{"extended data of an unknown kind", connected(func(f *foe) { id := f.channel(); f.repeat(func(i uint32) { f.send(sshExtended, id, i+2, packet) }) })},
		{"data after EOF", connected(func(f *foe) {
			id := f.channel()
			f.send(sshEOF, id)
			for range 10 {
				f.send(sshData, id, "late")
			}
			f.hang()
		})},
		{"EOF twice", connected(func(f *foe) { id := f.channel(); f.send(sshEOF, id); f.send(sshEOF, id); f.hang() })},
		{"close twice", connected(func(f *foe) { id := f.channel(); f.send(sshClose, id); f.send(sshClose, id); f.hang() })},
		{"close for ever", connected(func(f *foe) { f.repeat(func(uint32) { f.send(sshClose, f.lastOpen.Load()) }) })},
		{"requests for ever", connected(func(f *foe) {
			id := f.channel()
			f.repeat(func(uint32) { f.send(sshRequest, id, "keepalive@openssh.com", true) })
		})},
		{"huge requests for ever", connected(func(f *foe) {
			id := f.channel()
			f.repeat(func(uint32) { f.send(sshRequest, id, ugly, false, []byte(packet)) })
		})},
		{"requests for ever, and never reads", func(f *foe) {
			f.login()
			for f.lastOpen.Load() == 0 && len(f.opened) == 0 {
				f.take(f.receive())
			}
			id := f.channel()
			f.repeat(func(uint32) { f.send(sshRequest, id, "keepalive@openssh.com", true) })
		}},
		{"answers to requests that nobody made", connected(func(f *foe) { id := f.channel(); f.repeat(func(uint32) { f.send(sshReqAnswer, id) }) })},
		{"a stream ends with goodbye", connected(func(f *foe) { f.truncated(); f.goodbye(11, "") })},
		{"a stream ends with a wrong tag", connected(func(f *foe) { f.truncated(); f.spoil(); f.send(sshIgnore, "x"); f.hang() })},
		{"a stream ends with the connection", connected(func(f *foe) { f.truncated() })},
		{"a stream ends with a wrong message", connected(func(f *foe) { f.truncated(); f.send(sshData, 1); f.hang() })},
		{"a stream ends with NEWKEYS", connected(func(f *foe) { f.truncated(); f.send(sshNewKeys); f.hang() })},
		{"stops reading what clients send", func(f *foe) {
			f.login()
			for len(f.opened) == 0 {
				f.take(f.receive())
			}
			f.hang()
		}},
	}
}

// asking floods with channels that the server opens.
func (f *foe) openFlood(kind string, payload ...any) {
	f.repeat(func(i uint32) { f.send(sshOpen, append([]any{kind, i, uint32(1 << 30), 32 << 10}, payload...)...) })
}

func hostileForwards() []hostility {
	refusing := func(f *foe) {
		f.onGlobal = func(_ string, want bool, _ []byte) {
			if want {
				f.send(sshGlobalFailure)
			}
		}
	}
	granting := func(port uint32) func(f *foe) {
		return func(f *foe) {
			f.onGlobal = func(name string, want bool, _ []byte) {
				if want {
					f.send(sshGlobalSuccess, port)
				}
			}
		}
	}
	set := func(hooks func(*foe), do func(*foe)) func(*foe) {
		return func(f *foe) { hooks(f); f.enter(); do(f) }
	}
	mute := func(f *foe) { f.login() }
	return []hostility{
		{"refuses every forward", set(refusing, (*foe).hang)},
		{"grants port 0", set(granting(0), (*foe).hang)},
		{"grants a port that there is not", set(granting(1<<20), (*foe).hang)},
		{"grants another port each time", set(granting(22), (*foe).hang)},
		{"grants without a port", hooked(func(f *foe) { f.onGlobal = func(string, bool, []byte) { f.send(sshGlobalSuccess) } })},
		{"connections to a forward that nobody asked for", connected(func(f *foe) { f.openFlood("forwarded-tcpip", "evil", 99, "192.0.2.1", 1) })},
		{"the same, and never reads", func(f *foe) { mute(f); f.openFlood("forwarded-tcpip", "evil", 99, "192.0.2.1", 1) }},
		{"streamlocal connections that nobody asked for", connected(func(f *foe) { f.openFlood("forwarded-streamlocal@openssh.com", "/evil", "") })},
		{"session channels", connected(func(f *foe) { f.openFlood("session") })},
		{"x11 channels", connected(func(f *foe) { f.openFlood("x11", "192.0.2.1", 1) })},
		{"agent channels", connected(func(f *foe) { f.openFlood("auth-agent@openssh.com") })},
		{"direct-tcpip from the server", connected(func(f *foe) { f.openFlood("direct-tcpip", "127.0.0.1", 22, "127.0.0.1", 1) })},
		{"channels of ugly kinds", connected(func(f *foe) { f.openFlood(ugly, ugly) })},
		{"channels of huge kinds", connected(func(f *foe) { f.openFlood(strings.Repeat("k", 30_000)) })},
		{"channels without an end, and never reads", func(f *foe) { mute(f); f.openFlood("session") }},
		{"channels with nonsense in them", connected(func(f *foe) { f.awaitGrant(); f.openFlood("forwarded-tcpip", []byte("nonsense")) })},
		{"connections for ever to a forward", connected(func(f *foe) { f.awaitGrant(); f.repeat(f.forwarded) })},
		{"the same with a packet size of 0", connected(func(f *foe) {
			f.awaitGrant()
			f.repeat(func(i uint32) {
				f.send(sshOpen, "forwarded-tcpip", i, 0, 0, "localhost", grantedPort, "192.0.2.1", 1234)
			})
		})},
		{"connections to a forward, and never reads", func(f *foe) {
			mute(f)
			for {
				f.take(f.receive())
				select {
				case <-f.granted:
					f.repeat(f.forwarded)
				default:
				}
			}
		}},
		{"connections that are closed at once", connected(func(f *foe) {
			f.awaitGrant()
			f.repeat(func(i uint32) { f.forwarded(i); f.send(sshClose, i) })
		})},
	}
}
