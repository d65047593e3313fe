package mux

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// protocolVersion is what OpenSSH has spoken since 5.4; a client with another one is let go.
const protocolVersion = 4

// maxMessage is the longest message that OpenSSH's master takes, in bytes; the command and the environment of a session are in one.
const maxMessage = 256 << 10

// The types of messages (OpenSSH PROTOCOL.mux, and mux.c where that lags behind).
const (
	typeHello = 1

	requestSession      = 0x10000002
	requestAlive        = 0x10000004
	requestTerminate    = 0x10000005
	requestOpenForward  = 0x10000006
	requestCloseForward = 0x10000007
	requestStdio        = 0x10000008
	requestStop         = 0x10000009
	requestProxy        = 0x1000000f
	requestInfo         = 0x20000001

	answerOK         = 0x80000001
	answerDenied     = 0x80000002
	answerFailure    = 0x80000003
	answerExit       = 0x80000004
	answerAlive      = 0x80000005
	answerOpened     = 0x80000006
	answerRemotePort = 0x80000007
	answerTTYFailure = 0x80000008
	answerProxy      = 0x8000000f
	answerInfo       = 0x90000001
)

// infoExtension stands in the HELLO of a master that answers C_EXT_INFO (OpenSSH 10.3).
const infoExtension = "info"

var errTooLong = errors.New("message too long")

// readMessage reads one message, and not a byte more: what follows may be one that carries a descriptor.
func readMessage(r io.Reader) (fields, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxMessage {
		return nil, errTooLong
	}
	body := make([]byte, size)
	_, err := io.ReadFull(r, body)
	return body, err
}

// fields is what is left of a message. The methods that read one report false where it is not there.
type fields []byte

func (f *fields) number() (n uint32, ok bool) {
	if len(*f) < 4 {
		return 0, false
	}
	n = binary.BigEndian.Uint32(*f)
	*f = (*f)[4:]
	return n, true
}

func (f *fields) text() (s string, ok bool) {
	rest := *f
	n, ok := rest.number()
	if !ok || uint64(n) > uint64(len(rest)) {
		return "", false
	}
	*f = rest[n:]
	return string(rest[:n]), true
}

// numbers reads as many as there are places.
func (f *fields) numbers(places ...*uint32) (ok bool) {
	for _, to := range places {
		if *to, ok = f.number(); !ok {
			return false
		}
	}
	return true
}

// texts reads as many as there are places.
func (f *fields) texts(places ...*string) (ok bool) {
	for _, to := range places {
		if *to, ok = f.text(); !ok {
			return false
		}
	}
	return true
}

// message is one that is being made: its length, its type and its first fields.
type message []byte

func newMessage(kind uint32, numbers ...uint32) message {
	m := make(message, 4, 64)
	m = binary.BigEndian.AppendUint32(m, kind)
	for _, n := range numbers {
		m = binary.BigEndian.AppendUint32(m, n)
	}
	return m
}

func (m message) text(s string) message {
	m = binary.BigEndian.AppendUint32(m, uint32(min(len(s), math.MaxInt32)))
	return append(m, s...)
}

// packet returns the message as it is sent.
func (m message) packet() []byte {
	binary.BigEndian.PutUint32(m, uint32(len(m)-4))
	return m
}
