package sshconn

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
)

// The SSH library does not tell which key exchanges a server has, only which one was agreed upon. The first bytes of the wire do:
// they are in the clear.

const msgKexInit = 20 // RFC 4253 §12

// serverKex returns the key exchanges that a server offers, in its order of preference, from the first bytes that it sent: lines of
// text, the version, and a packet (RFC 4253 §4.2, §6, §7.1). It is nil where they are not there.
func serverKex(words []byte) []string {
	words = afterVersion(words)
	const cookie, names = 4 + 1 + 1, 4 + 1 + 1 + 16
	if len(words) < names+4 || words[cookie-1] != msgKexInit {
		return nil
	}
	size := binary.BigEndian.Uint32(words[names:])
	list := words[names+4:]
	if uint64(size) > uint64(len(list)) {
		return nil
	}
	return realNamesOf(strings.Split(string(list[:size]), ","))
}

// afterVersion returns what follows the version of a server, and the lines of text before it; nil: it is not there.
func afterVersion(words []byte) []byte {
	for {
		line, rest, found := bytes.Cut(words, []byte("\n"))
		if !found {
			return nil
		}
		words = rest
		if bytes.HasPrefix(line, []byte("SSH-")) {
			return words
		}
	}
}

// realNamesOf leaves out the flags that travel in a list of key exchanges.
func realNamesOf(list []string) []string {
	return slices.DeleteFunc(list, func(name string) bool { return name == "" || isKexFlag(name) })
}

func isKexFlag(name string) bool {
	return strings.HasPrefix(name, "ext-info-") || strings.HasPrefix(name, "kex-strict-")
}

// kexView is what there is to say of a key exchange.
type kexView struct {
	agreed string // empty: none can be
	best   string // what the server has that is post-quantum, else its first; empty: the server has not said
}

// viewKex returns what a server that offers these and we, who offer those, agree upon (RFC 4253 §7.1).
func viewKex(theirs, ours []string) kexView {
	var v kexView
	for _, name := range ours {
		if slices.Contains(theirs, name) {
			v.agreed = name
			break
		}
	}
	if i := slices.IndexFunc(theirs, isPostQuantum); i >= 0 {
		v.best = theirs[i]
	} else if len(theirs) > 0 {
		v.best = theirs[0]
	}
	return v
}

// isPostQuantum reports whether what is recorded today stays secret when there are large quantum computers. The names are those of
// OpenSSH, of TinySSH, of drafts, and of what is older than the standard.
func isPostQuantum(kex string) bool {
	return strings.Contains(kex, "mlkem") || strings.Contains(kex, "sntrup") || strings.Contains(kex, "kyber")
}

// text is for a person who asks how good the connection is.
func (v kexView) text() string {
	theirs := foreign.Line(v.best)
	switch {
	case v.agreed == "":
		return ""
	case isPostQuantum(v.agreed):
		return v.agreed + ", post-quantum"
	case isPostQuantum(v.best):
		return fmt.Sprintf("%s, not post-quantum; the server's best is %s, post-quantum, which is not offered from here", v.agreed, theirs)
	case v.best != v.agreed:
		return fmt.Sprintf("%s, not post-quantum; the server's best is %s, and it has none that is post-quantum", v.agreed, theirs)
	}
	return v.agreed + ", not post-quantum; the server has none that is"
}

// warnWeak tells once of a server whose recorded traffic may be read one day (WarnWeakCrypto). It is a warning where somebody asked for
// it: who cannot change the server has heard it from ssh.
func (h *handshake) warnWeak(v kexView) {
	if v.agreed == "" || isPostQuantum(v.agreed) || h.options.WarnWeakCrypto == config.WeakQuiet ||
		!h.dialer.once.first(h.options.Address()) {
		return
	}
	say := h.log.Info
	if h.options.WarnWeakCrypto == config.WeakWarn {
		say = h.log.Warn
	}
	say("the key exchange is not post-quantum: what is recorded now may be read later", "kex", v.agreed, "server_best", foreign.Line(v.best))
}
