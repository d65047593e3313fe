package hostile

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// foe is one connection of a hostile SSH server. It speaks the protocol by itself (RFC 4253 with curve25519-sha256,
// ssh-ed25519 and aes128-gcm), because no library lets a server send what these tests send. Its methods panic with
// foeGone when the client has gone, which ends the behaviour that runs.
type foe struct {
	conn net.Conn
	in   *bufio.Reader
	host ed25519.PrivateKey

	clientVersion, serverVersion string
	clientInit, session          []byte
	opener                       *gcm // nil: not yet encrypted

	mu     sync.Mutex // guards all following fields; held while a packet is written
	sealer *gcm       // nil: not yet encrypted
	damage bool       // the next packets get a wrong tag

	over      <-chan struct{}                           // closed when the test is over
	onOpen    func(kind string, id uint32)              // a channel that the client opens; nil: confirmed
	onGlobal  func(name string, want bool, rest []byte) // a global request; nil: forwards are granted, all else refused
	onChannel func(kind byte, id uint32, rest []byte)   // what comes on a channel; nil: nothing happens
	opened    chan uint32                               // the client's numbers of channels, as they come
	granted   chan struct{}                             // closed when a forward has been granted
	grantOnce sync.Once
	lastOpen  atomic.Uint32
}

type foeGone struct{ err error }

// The message numbers of RFC 4253 §12, RFC 4252 §6, RFC 4254 §9 and RFC 4256 §5.
const (
	sshDisconnect, sshIgnore, sshUnimplemented, sshDebug             = 1, 2, 3, 4
	sshServiceRequest, sshServiceAccept, sshExtInfo                  = 5, 6, 7
	sshKexInit, sshNewKeys, sshKexInitECDH, sshKexReply              = 20, 21, 30, 31
	sshAuthRequest, sshAuthFailure, sshAuthSuccess, sshBanner        = 50, 51, 52, 53
	sshInfoRequest, sshPubKeyOK                                      = 60, 60
	sshGlobal, sshGlobalSuccess, sshGlobalFailure                    = 80, 81, 82
	sshOpen, sshOpenConfirm, sshOpenFailure, sshWindow               = 90, 91, 92, 93
	sshData, sshExtended, sshEOF, sshClose, sshRequest, sshReqAnswer = 94, 95, 96, 97, 98, 99
)

// gcm is one direction of aes128-gcm@openssh.com (PROTOCOL §1.6, RFC 5647).
type gcm struct {
	aead  cipher.AEAD
	nonce [12]byte
}

func newGCM(key, iv []byte) *gcm {
	block, err := aes.NewCipher(key)
	foeCheck(err)
	aead, err := cipher.NewGCM(block)
	foeCheck(err)
	g := &gcm{aead: aead}
	copy(g.nonce[:], iv)
	return g
}

func (g *gcm) count() {
	binary.BigEndian.PutUint64(g.nonce[4:], binary.BigEndian.Uint64(g.nonce[4:])+1)
}

func foeCheck(err error) {
	if err != nil {
		panic(foeGone{err})
	}
}

// wire puts values one behind the other as RFC 4251 §5 says: byte, bool, uint32, string; []byte as it is.
func wire(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		switch part := part.(type) {
		case byte:
			b = append(b, part)
		case bool:
			if part {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(part))
		case uint32:
			b = binary.BigEndian.AppendUint32(b, part)
		case string:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
		case []byte:
			b = append(b, part...)
		}
	}
	return b
}

// raw writes bytes as they are.
func (f *foe) raw(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.conn.Write(b)
	foeCheck(err)
}

// send writes a packet of this kind.
func (f *foe) send(kind byte, parts ...any) {
	payload := append([]byte{kind}, wire(parts...)...)
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.conn.Write(f.packetLocked(payload))
	foeCheck(err)
}

// spoil has all packets from now on carry a wrong tag.
func (f *foe) spoil() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.damage = true
}

// packetLocked puts a payload into a packet (RFC 4253 §6).
func (f *foe) packetLocked(payload []byte) []byte {
	block, extra := 8, 4
	if f.sealer != nil {
		block, extra = 16, 0
	}
	padding := block - (1+len(payload)+extra)%block
	if padding < 4 {
		padding += block
	}
	plain := append([]byte{byte(padding)}, payload...)
	plain = append(plain, make([]byte, padding)...)
	length := binary.BigEndian.AppendUint32(nil, uint32(len(plain)))
	if f.sealer == nil {
		return append(length, plain...)
	}
	sealed := f.sealer.aead.Seal(nil, f.sealer.nonce[:], plain, length)
	f.sealer.count()
	if f.damage {
		sealed[len(sealed)-1]++
	}
	return append(length, sealed...)
}

// receive reads a packet's payload.
func (f *foe) receive() []byte {
	var length [4]byte
	_, err := io.ReadFull(f.in, length[:])
	foeCheck(err)
	n := int(binary.BigEndian.Uint32(length[:]))
	if f.opener != nil {
		n += 16
	}
	body := make([]byte, n)
	_, err = io.ReadFull(f.in, body)
	foeCheck(err)
	if f.opener != nil {
		body, err = f.opener.aead.Open(nil, f.opener.nonce[:], body, length[:])
		foeCheck(err)
		f.opener.count()
	}
	return body[1 : len(body)-int(body[0])]
}

// await reads until a packet of this kind, and returns what follows the number.
func (f *foe) await(kind byte) []byte {
	for {
		if p := f.receive(); p[0] == kind {
			return p[1:]
		}
	}
}

// greet exchanges versions.
func (f *foe) greet() {
	f.serverVersion = "SSH-2.0-foe"
	f.raw([]byte(f.serverVersion + "\r\n"))
	f.hear()
}

func (f *foe) hear() {
	line, err := f.in.ReadString('\n')
	foeCheck(err)
	f.clientVersion = strings.TrimRight(line, "\r\n")
}

// kexInit is an ordinary SSH_MSG_KEXINIT.
func kexInit() []byte {
	lists := []any{make([]byte, 16), "curve25519-sha256", "ssh-ed25519", "aes128-gcm@openssh.com", "aes128-gcm@openssh.com",
		"hmac-sha2-256", "hmac-sha2-256", "none", "none", "", "", false, 0}
	return append([]byte{sshKexInit}, wire(lists...)...)
}

// keys exchanges keys, the first or new ones.
func (f *foe) keys() {
	init := kexInit()
	f.send(init[0], init[1:])
	f.clientInit = append([]byte{sshKexInit}, f.await(sshKexInit)...)
	f.finishKeys(init)
}

// finishKeys is the rest of it, after both have sent their SSH_MSG_KEXINIT.
func (f *foe) finishKeys(init []byte) {
	theirs, _ := cut(f.await(sshKexInitECDH))
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	foeCheck(err)
	public, err := ecdh.X25519().NewPublicKey([]byte(theirs))
	foeCheck(err)
	secret, err := private.ECDH(public)
	foeCheck(err)
	k := wire(mpint(secret))
	blob := string(wire("ssh-ed25519", string(f.host.Public().(ed25519.PublicKey))))
	hash := sha256.Sum256(wire(f.clientVersion, f.serverVersion, string(f.clientInit), string(init), blob,
		theirs, string(private.PublicKey().Bytes()), k))
	if f.session == nil {
		f.session = hash[:]
	}
	signature := wire("ssh-ed25519", string(ed25519.Sign(f.host, hash[:])))
	f.send(sshKexReply, blob, string(private.PublicKey().Bytes()), string(signature))
	derive := func(letter byte, size int) []byte {
		sum := sha256.Sum256(wire(k, hash[:], letter, f.session))
		return sum[:size]
	}
	f.mu.Lock()
	_, err = f.conn.Write(f.packetLocked([]byte{sshNewKeys}))
	f.sealer = newGCM(derive('D', 16), derive('B', 12))
	f.mu.Unlock()
	foeCheck(err)
	f.await(sshNewKeys)
	f.opener = newGCM(derive('C', 16), derive('A', 12))
}

// mpint is a positive number (RFC 4251 §5).
func mpint(b []byte) []byte {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) > 0 && b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return wire(string(b))
}

// cut takes a string off p.
func cut(p []byte) (string, []byte) {
	if len(p) < 4 {
		panic(foeGone{io.ErrUnexpectedEOF})
	}
	n := int(binary.BigEndian.Uint32(p))
	if len(p) < 4+n {
		panic(foeGone{io.ErrUnexpectedEOF})
	}
	return string(p[4 : 4+n]), p[4+n:]
}

// service takes the request for ssh-userauth.
func (f *foe) service() {
	f.await(sshServiceRequest)
	f.send(sshServiceAccept, "ssh-userauth")
}

// wait is for as long as the client stays.
func (f *foe) wait() {
	for {
		f.receive()
	}
}

// hang reads nothing until the test is over.
func (f *foe) hang() {
	<-f.over
	panic(foeGone{})
}
