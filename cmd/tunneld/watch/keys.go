package watch

import "bytes"

// key is what somebody has typed.
type key string

const (
	keyUp     key = "up"
	keyDown   key = "down"
	keyLeft   key = "left"
	keyRight  key = "right"
	keyPageUp key = "page up"
	keyPageDn key = "page down"
	keyHome   key = "home"
	keyEnd    key = "end"
	keyEnter  key = "enter"
	keyEscape key = "escape"
	keyStop   key = "stop" // Ctrl-Z
	keyQuit   key = "quit"
	keySort   key = "sort"
	keyOther  key = ""
)

// letters are the keys of one byte. In raw mode Ctrl-C is a byte as any other.
var letters = map[byte]key{
	'q': keyQuit, 'Q': keyQuit, 3: keyQuit, 4: keyQuit, 0x1c: keyQuit, 0x1a: keyStop,
	'\r': keyEnter, '\n': keyEnter, ' ': keyEnter, 0x7f: keyEscape, 8: keyEscape,
	'k': keyUp, 'j': keyDown, 'h': keyLeft, 'l': keyRight, 'g': keyHome, 'G': keyEnd, 's': keySort,
}

// sequences are what follows ESC [ or ESC O.
var sequences = map[string]key{
	"A": keyUp, "B": keyDown, "C": keyRight, "D": keyLeft, "H": keyHome, "F": keyEnd,
	"1~": keyHome, "7~": keyHome, "4~": keyEnd, "8~": keyEnd, "5~": keyPageUp, "6~": keyPageDn,
}

const escape = 0x1b

// nextKey returns the first key of what was typed, and what is left. Without complete there may be more to come: of a sequence
// that has only begun all is left.
func nextKey(typed []byte, complete bool) (k key, rest []byte) {
	if typed[0] != escape {
		return letters[typed[0]], typed[1:]
	}
	if len(typed) == 1 || typed[1] != '[' && typed[1] != 'O' {
		if len(typed) == 1 && !complete {
			return keyOther, typed
		}
		return keyEscape, typed[1:]
	}
	end := bytes.IndexFunc(typed[2:], func(c rune) bool { return c >= 0x40 && c <= 0x7e })
	switch {
	case end >= 0:
		return sequences[string(typed[2:2+end+1])], typed[2+end+1:]
	case complete || len(typed) > 32:
		return keyOther, nil
	}
	return keyOther, typed
}
