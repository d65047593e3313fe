//go:build unix

package interactive

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Opcodes of RFC 4254 §8 that are no flag and no character.
const (
	opEnd         = 0
	opInputSpeed  = 128
	opOutputSpeed = 129
	disabledChar  = 255 // stands for a character that has no function
)

// mode is an opcode of RFC 4254 §8 and the bit that it tells of.
type mode struct {
	op  byte
	bit uint64
}

// character is an opcode and the index of what it tells of.
type character struct {
	op    byte
	index int
}

// modes returns the terminal's modes for pty-req, in OpenSSH's order (ttymodes.h).
func (t *terminal) modes() []byte {
	if t == nil {
		return []byte{opEnd}
	}
	b := t.before
	var list []byte
	add := func(op byte, value uint32) { list = binary.BigEndian.AppendUint32(append(list, op), value) }
	in, out := speeds(&b)
	add(opOutputSpeed, out)
	add(opInputSpeed, in)
	for _, c := range characters {
		value := uint32(b.Cc[c.index])
		if value == vDisable {
			value = disabledChar
		}
		add(c.op, value)
	}
	for _, group := range []struct {
		flags uint64
		modes []mode
	}{
		{uint64(b.Iflag), inputModes}, {uint64(b.Lflag), localModes}, {uint64(b.Oflag), outputModes}, {uint64(b.Cflag), controlModes},
	} {
		for _, m := range group.modes {
			value := uint32(0)
			if group.flags&m.bit != 0 {
				value = 1
			}
			add(m.op, value)
		}
	}
	return append(list, opEnd)
}

var controlModes = []mode{{90, unix.CS7}, {91, unix.CS8}, {92, unix.PARENB}, {93, unix.PARODD}}
