package hostile

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strings"
)

func otherHostKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	foeCheck(err)
	return key
}

// clientVersionLie signs a session that was not had.
func (f *foe) clientVersionLie() {
	f.greet()
	f.clientVersion = "SSH-2.0-somebody-else"
}

// infoRequest asks as many questions (RFC 4256 §3.2).
func (f *foe) infoRequest(questions int, text string) {
	parts := []any{text, text, "", questions}
	for range questions {
		parts = append(parts, text, false)
	}
	f.send(sshInfoRequest, parts...)
}

// refuse has the client try all it has: these methods may continue.
func (f *foe) refuse(methods string, partial bool) { f.send(sshAuthFailure, methods, partial) }

func hostileLogins() []hostility {
	const methods = "publickey,password,keyboard-interactive"
	unanswered := func(do func(f *foe)) func(f *foe) {
		return func(f *foe) {
			f.greet()
			f.keys()
			do(f)
		}
	}
	asked := func(do func(f *foe)) func(f *foe) {
		return func(f *foe) {
			f.ask()
			do(f)
		}
	}
	long := strings.Repeat("long ", 6000)
	return []hostility{
		{"the service is never granted", unanswered(func(f *foe) { f.hang() })},
		{"another service", unanswered(func(f *foe) { f.send(sshServiceAccept, ugly); f.wait() })},
		{"EXT_INFO for ever", unanswered(func(f *foe) {
			f.repeat(func(uint32) { f.send(sshExtInfo, 1, "server-sig-algs", "ssh-ed25519") })
		})},
		{"EXT_INFO with thousands", unanswered(func(f *foe) {
			parts := []any{10_000}
			for i := range 10_000 {
				parts = append(parts, fmt.Sprint("x", i), "y")
			}
			f.send(sshExtInfo, parts...)
			f.service()
			f.wait()
		})},
		{"IGNORE for ever instead of the service", unanswered(func(f *foe) { f.repeat(func(uint32) { f.send(sshIgnore, long) }) })},
		{"says goodbye instead of the service", unanswered(func(f *foe) { f.goodbye(7, ugly) })},
		{"no answer", asked(func(f *foe) { f.hang() })},
		{"banners for ever", asked(func(f *foe) { f.repeat(func(i uint32) { f.send(sshBanner, fmt.Sprint(i, long), "") }) })},
		{"small banners for ever", asked(func(f *foe) { f.repeat(func(i uint32) { f.send(sshBanner, fmt.Sprint(i), "") }) })},
		{"a huge banner", asked(func(f *foe) { f.send(sshBanner, strings.Repeat("b", 200_000), ""); f.send(sshAuthSuccess); f.serve() })},
		{"ugly banners, and in", asked(func(f *foe) { f.send(sshBanner, ugly, ""); f.send(sshAuthSuccess); f.serve() })},
		{"failures for ever", asked(func(f *foe) { f.repeat(func(uint32) { f.refuse(methods, false) }) })},
		{"a failure for each", asked(func(f *foe) {
			f.repeat(func(uint32) { f.refuse(methods, false); f.await(sshAuthRequest) })
		})},
		{"ugly methods", asked(func(f *foe) { f.refuse(ugly, false); f.wait() })},
		{"a huge list of methods", asked(func(f *foe) {
			f.repeat(func(uint32) { f.refuse(strings.Repeat("a,", 100_000)+"publickey", false); f.await(sshAuthRequest) })
		})},
		{"partial success for ever", asked(func(f *foe) {
			f.repeat(func(uint32) { f.refuse(methods, true); f.await(sshAuthRequest) })
		})},
		{"every key is good, and then not", asked(func(f *foe) {
			f.refuse("publickey", false)
			f.repeat(func(uint32) { f.await(sshAuthRequest); f.send(sshPubKeyOK, "ssh-ed25519", "nonsense") })
		})},
		{"questions for ever", asked(func(f *foe) {
			f.refuse("keyboard-interactive", false)
			f.await(sshAuthRequest)
			f.repeat(func(uint32) { f.infoRequest(1, ugly) })
		})},
		{"no questions for ever", asked(func(f *foe) {
			f.refuse("keyboard-interactive", false)
			f.await(sshAuthRequest)
			f.repeat(func(i uint32) { f.infoRequest(0, fmt.Sprint(i, long)) })
		})},
		{"thousands of questions", asked(func(f *foe) {
			f.refuse("keyboard-interactive", false)
			f.await(sshAuthRequest)
			f.infoRequest(20_000, "q")
			f.wait()
		})},
		{"nonsense instead of an answer", asked(func(f *foe) { f.send(99, long); f.wait() })},
		{"a goodbye in many words", asked(func(f *foe) { f.goodbye(14, strings.Repeat(ugly, 3000)) })},
		{"goodbye, too many failures", asked(func(f *foe) { f.refuse(methods, false); f.goodbye(2, ugly) })},
		{"success twice", asked(func(f *foe) { f.send(sshAuthSuccess); f.send(sshAuthSuccess); f.serve() })},
		{"success for ever", asked(func(f *foe) { f.repeat(func(uint32) { f.send(sshAuthSuccess) }) })},
		{"a byte a second", asked(func(f *foe) { f.slowly(strings.Repeat("\x00\x00\x01", 100)) })},
		{"new keys for ever", asked(func(f *foe) { f.repeat(func(uint32) { f.keys() }) })},
		{"DEBUG for ever", asked(func(f *foe) { f.repeat(func(uint32) { f.send(sshDebug, true, ugly, "") }) })},
	}
}
