package hostile

import (
	"fmt"
	"strings"
	"time"
)

// inside is a behaviour of a session that works otherwise.
func connected(do func(f *foe)) func(*foe) {
	return func(f *foe) {
		f.enter()
		do(f)
	}
}

// hooked is a session that works otherwise, apart from what the hooks do.
func hooked(hooks func(f *foe)) func(*foe) {
	return func(f *foe) {
		hooks(f)
		f.enter()
		f.hang()
	}
}

// second waits for a second.
func (f *foe) second() {
	select {
	case <-time.After(time.Second):
	case <-f.over:
		panic(foeGone{})
	}
}

func hostileSessions() []hostility {
	long := strings.Repeat("long ", 6000)
	return []hostility{
		{"works, and hangs up after a second", connected(func(f *foe) { f.second() })},
		{"stops reading", func(f *foe) { f.login(); f.hang() }},
		{"reads, and never writes", func(f *foe) { f.login(); f.wait() }},
		{"says goodbye at once", func(f *foe) { f.login(); f.goodbye(11, ugly) }},
		{"says goodbye with a huge text", connected(func(f *foe) { f.second(); f.goodbye(11, strings.Repeat(ugly, 3000)) })},
		{"a wrong tag", connected(func(f *foe) { f.second(); f.spoil(); f.send(sshIgnore, "x"); f.hang() })},
		{"IGNORE for ever", connected(func(f *foe) { f.repeat(func(uint32) { f.send(sshIgnore, long) }) })},
		{"DEBUG for ever", connected(func(f *foe) { f.repeat(func(uint32) { f.send(sshDebug, true, ugly, "") }) })},
		{"UNIMPLEMENTED for ever", connected(func(f *foe) { f.repeat(func(i uint32) { f.send(sshUnimplemented, i) }) })},
		{"an unknown message", connected(func(f *foe) { f.repeat(func(uint32) { f.send(200, ugly) }) })},
		{"banners for ever", connected(func(f *foe) { f.repeat(func(i uint32) { f.send(sshBanner, fmt.Sprint(i, ugly), "") }) })},
		{"global requests for ever", connected(func(f *foe) { f.repeat(func(i uint32) { f.send(sshGlobal, fmt.Sprint("r", i), true) }) })},
		{"global requests for ever, and never reads", func(f *foe) {
			f.login()
			f.repeat(func(i uint32) { f.send(sshGlobal, fmt.Sprint("r", i), true) })
		}},
		{"global requests that want nothing", connected(func(f *foe) { f.repeat(func(i uint32) { f.send(sshGlobal, ugly, false) }) })},
		{"huge global requests", connected(func(f *foe) { f.repeat(func(uint32) { f.send(sshGlobal, long, true, []byte(long)) }) })},
		{"keepalives for ever", connected(func(f *foe) { f.repeat(func(uint32) { f.send(sshGlobal, "keepalive@openssh.com", true) }) })},
		{"host keys for ever", connected(func(f *foe) {
			f.repeat(func(i uint32) { f.send(sshGlobal, "hostkeys-00@openssh.com", false, wire(string(ed25519Blob(i)))) })
		})},
		{"thousands of host keys", connected(func(f *foe) {
			var keys []byte
			for i := range uint32(3000) {
				keys = append(keys, wire(string(ed25519Blob(i)))...)
			}
			f.repeat(func(uint32) { f.send(sshGlobal, "hostkeys-00@openssh.com", false, keys) })
		})},
		{"host keys that are none", connected(func(f *foe) {
			f.repeat(func(uint32) { f.send(sshGlobal, "hostkeys-00@openssh.com", true, []byte(ugly)) })
		})},
		{"proves host keys with nonsense", func(f *foe) {
			f.onGlobal = func(name string, want bool, _ []byte) {
				if want {
					f.send(sshGlobalSuccess, []byte(long))
				}
			}
			f.enter()
			f.send(sshGlobal, "hostkeys-00@openssh.com", false, wire(string(ed25519Blob(7))))
			f.hang()
		}},
		{"answers that nobody asked for", connected(func(f *foe) { f.repeat(func(uint32) { f.send(sshGlobalSuccess, long) }) })},
		{"refusals that nobody asked for", connected(func(f *foe) { f.repeat(func(uint32) { f.send(sshGlobalFailure) }) })},
		{"never answers a global request", hooked(func(f *foe) { f.onGlobal = func(string, bool, []byte) {} })},
		{"answers every request with a yes", hooked(func(f *foe) {
			f.onGlobal = func(_ string, want bool, _ []byte) {
				if want {
					f.send(sshGlobalSuccess, ugly)
				}
			}
		})},
		{"new keys for ever", func(f *foe) {
			f.login()
			f.repeat(func(uint32) { f.keys() })
		}},
		{"KEXINIT and then nothing", connected(func(f *foe) { f.send(sshKexInit, kexInit()[1:]); f.hang() })},
		{"KEXINIT twice", connected(func(f *foe) { f.send(sshKexInit, kexInit()[1:]); f.send(sshKexInit, kexInit()[1:]); f.hang() })},
		{"NEWKEYS without a reason", connected(func(f *foe) { f.send(sshNewKeys); f.hang() })},
		{"another service", connected(func(f *foe) { f.send(sshServiceAccept, "ssh-userauth"); f.hang() })},
		{"a packet a byte a second", func(f *foe) { f.login(); f.slowly(strings.Repeat("\x00\x00\x01\x00", 30)) }},
		{"pings for ever", connected(func(f *foe) { f.repeat(func(uint32) { f.send(192, long) }) })},
		{"pings for ever, and never reads", func(f *foe) { f.login(); f.repeat(func(uint32) { f.send(192, long) }) }},
	}
}

// ed25519Blob is a public key of its own for each number.
func ed25519Blob(i uint32) []byte {
	key := make([]byte, 32)
	copy(key, wire(i))
	return wire("ssh-ed25519", string(key))
}
