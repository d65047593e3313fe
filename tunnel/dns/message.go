package dns

import "encoding/binary"

// The parts of a message (RFC 1035 §4.1) that are looked at here.
const (
	headerSize  = 12
	maxName     = 255
	maxMessage  = 65535
	plainAnswer = 512 // what fits into a datagram for who does not say more (RFC 1035 §4.2.1)

	recordSize = 10   // of a record without its name and its data: type, class, time to live, length
	typeOPT    = 41   // RFC 6891
	flagsOPT   = 6    // where its flags are, from its type
	flagDO     = 0x80 // who asks wants signatures
	ownSize    = 1232 // what we say that we take ourselves
)

// The bits of the third and fourth byte of a header.
const (
	bitResponse  = 0x80
	bitsOpcode   = 0x78
	bitTruncated = 0x02
	bitDesired   = 0x01
	bitAvailable = 0x80
	bitsCode     = 0x0f
)

// The codes of answers that are made here (RFC 1035 §4.1.1).
const (
	formatError   = 1
	serverFailure = 2
)

func isResponse(m []byte) bool { return m[2]&bitResponse != 0 }

func idOf(m []byte) uint16 { return binary.BigEndian.Uint16(m) }

func setID(m []byte, id uint16) { binary.BigEndian.PutUint16(m, id) }

// questions returns how many a message says that it has.
func questions(m []byte) int { return int(binary.BigEndian.Uint16(m[4:])) }

// questionEnd returns where the only question of a message ends; false: it has none, or another number, or one that cannot be read.
func questionEnd(m []byte) (int, bool) {
	if len(m) < headerSize || questions(m) != 1 {
		return 0, false
	}
	end, ok := skipName(m, headerSize, false)
	end += 4 // type and class
	return end, ok && end <= len(m)
}

// skipName returns where a name ends that begins at i. A pointer is the end of one, where they may be.
func skipName(m []byte, i int, pointers bool) (int, bool) {
	for begin := i; i < len(m) && i-begin < maxName; {
		switch n := int(m[i]); {
		case n == 0:
			return i + 1, true
		case n >= 0xc0 && pointers:
			return i + 2, i+2 <= len(m)
		case n >= 0x40:
			return 0, false
		default:
			i += 1 + n
		}
	}
	return 0, false
}

// sameQuestion reports whether two messages ask the same. The case of letters makes no difference (RFC 4343).
func sameQuestion(a, b []byte) bool {
	end, ok := questionEnd(a)
	other, also := questionEnd(b)
	if !ok || !also || end != other {
		return false
	}
	for i := headerSize; i < end; i++ {
		if a[i] != b[i] && (i >= end-4 || lowerCase(a[i]) != lowerCase(b[i])) {
			return false
		}
	}
	return true
}

func lowerCase(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// extension returns the record of RFC 6891 in a query, from its type on; nil: there is none.
func extension(query []byte) []byte {
	i, ok := questionEnd(query)
	records := 0
	for at := 6; at < headerSize && ok; at += 2 {
		records += int(binary.BigEndian.Uint16(query[at:]))
	}
	for ; ok && records > 0; records-- {
		root := i < len(query) && query[i] == 0
		if i, ok = skipName(query, i, true); !ok || i+recordSize > len(query) {
			return nil
		}
		record := query[i:]
		if root && binary.BigEndian.Uint16(record) == typeOPT {
			return record
		}
		i += recordSize + int(binary.BigEndian.Uint16(record[recordSize-2:]))
	}
	return nil
}

// room returns the size of the largest datagram that who asks takes.
func room(query []byte) int {
	record := extension(query)
	if record == nil {
		return plainAnswer
	}
	return max(plainAnswer, int(binary.BigEndian.Uint16(record[2:])))
}

// failure returns the answer to a query that there is none, and why.
func failure(query []byte, code byte) []byte {
	m := empty(query)
	m[2] = bitResponse | query[2]&(bitsOpcode|bitDesired)
	m[3] = bitAvailable | code
	return m
}

// truncated returns the answer to a query that the whole answer has to be asked for over TCP.
func truncated(query, answer []byte) []byte {
	m := empty(query)
	m[2], m[3] = answer[2]|bitTruncated, answer[3]
	return m
}

// empty returns the question of a query with nothing behind it, but that we know of RFC 6891 where who asks does. Of a query that
// cannot be read it is the header.
func empty(query []byte) []byte {
	end, ok := questionEnd(query)
	m := make([]byte, headerSize, plainAnswer)
	copy(m, query[:4])
	if !ok {
		return m
	}
	m[5] = 1
	m = append(m, query[headerSize:end]...)
	if record := extension(query); record != nil {
		m[11] = 1
		m = append(m, 0, 0, typeOPT, ownSize>>8, ownSize&0xff, 0, 0, record[flagsOPT]&flagDO, 0, 0, 0)
	}
	return m
}
