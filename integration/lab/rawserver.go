package lab

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// The message numbers of RFC 4250 §4.1.2 that the raw server speaks.
const (
	MsgDisconnect         = 1
	MsgServiceRequest     = 5
	MsgServiceAccept      = 6
	MsgKexInit            = 20
	msgNewKeys            = 21
	msgECDHInit           = 30
	msgECDHReply          = 31
	MsgAuthRequest        = 50
	msgAuthSuccess        = 52
	MsgGlobalRequest      = 80
	msgRequestSuccess     = 81
	MsgRequestFailure     = 82
	MsgChannelOpen        = 90
	MsgChannelConfirm     = 91
	MsgChannelOpenFailure = 92
	MsgWindowAdjust       = 93
	MsgChannelData        = 94
	msgChannelEOF         = 96
	msgChannelClose       = 97
)

// rawServer is an SSH server written out message by message, so that it can say what no server says. It has one algorithm of
// each kind (curve25519-sha256, ssh-ed25519, aes128-gcm@openssh.com), lets everybody in, and hands each connection to serve.
type rawServer struct {
	key      ed25519.PrivateKey
	HostKey  ssh.PublicKey
	listener net.Listener
	login    func(*RawConn) error // answers the attempts at authentication
}

// StartRawServer serves on loopback until the test ends, and has closed every connection then.
func StartRawServer(t testing.TB, serve func(*RawConn)) *rawServer {
	t.Helper()
	return StartRawLogin(t, (*RawConn).letIn, serve)
}

// StartRawLogin is startRawServer with a login of its own.
func StartRawLogin(t testing.TB, login func(*RawConn) error, serve func(*RawConn)) *rawServer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	Check(t, err)
	signer, err := ssh.NewSignerFromKey(key)
	Check(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Check(t, err)
	s := &rawServer{key: key, HostKey: signer.PublicKey(), listener: l, login: login}
	var running sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			running.Go(func() {
				defer conn.Close()
				if c, err := s.handshake(conn); err == nil {
					serve(c)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return s
}

func (s *rawServer) Address() string { return s.listener.Addr().String() }

func (s *rawServer) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// RawConn is one connection with its keys. One goroutine may read, any number may write.
type RawConn struct {
	net.Conn
	in   *bufio.Reader
	from RawKeys

	mu sync.Mutex // guards to, and the order of writes
	to RawKeys
}

// RawKeys are those of one direction; the zero value encrypts nothing.
type RawKeys struct {
	aead  cipher.AEAD
	nonce []byte
}

func (k *RawKeys) next() []byte {
	nonce := bytes.Clone(k.nonce)
	binary.BigEndian.PutUint64(k.nonce[4:], binary.BigEndian.Uint64(k.nonce[4:])+1)
	return nonce
}

// Seal returns the packet with this payload, as it goes over the wire (RFC 4253 §6, RFC 5647 §7).
func (k *RawKeys) Seal(payload []byte) []byte {
	block, head := 16, 1
	if k.aead == nil {
		block, head = 8, 5
	}
	padding := block - (head+len(payload))%block
	if padding < 4 {
		padding += block
	}
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	body := append([]byte{byte(padding)}, payload...)
	body = append(body, make([]byte, padding)...)
	if k.aead == nil {
		return append(packet, body...)
	}
	return k.aead.Seal(packet, k.next(), body, packet)
}

// Send writes one message.
func (c *RawConn) Send(parts ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.Write(c.to.Seal(RawMessage(parts...)))
	return err
}

// RawMessage puts a message together: bytes as they are, numbers as uint32, texts as strings of RFC 4251 §5.
func RawMessage(parts ...any) []byte {
	var m []byte
	for _, p := range parts {
		switch p := p.(type) {
		case byte:
			m = append(m, p)
		case bool:
			m = append(m, map[bool]byte{true: 1}[p])
		case uint32:
			m = binary.BigEndian.AppendUint32(m, p)
		case int:
			m = append(m, byte(p))
		case string:
			m = append(binary.BigEndian.AppendUint32(m, uint32(len(p))), p...)
		case []byte:
			m = append(binary.BigEndian.AppendUint32(m, uint32(len(p))), p...)
		}
	}
	return m
}

// Read returns the next message.
func (c *RawConn) Read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(head[:]))
	if size < 2 || size > 256<<10 {
		return nil, errors.New("a packet of an odd size")
	}
	if c.from.aead != nil {
		size += c.from.aead.Overhead()
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return nil, err
	}
	if c.from.aead != nil {
		var err error
		if body, err = c.from.aead.Open(nil, c.from.next(), body, head[:]); err != nil {
			return nil, err
		}
	}
	if len(body) < 2+int(body[0]) {
		return nil, errors.New("a packet of padding")
	}
	return body[1 : len(body)-int(body[0])], nil
}

// RawFields takes a message apart that begins with its number.
type RawFields struct{ Rest []byte }

func (f *RawFields) Uint32() uint32 {
	if len(f.Rest) < 4 {
		return 0
	}
	n := binary.BigEndian.Uint32(f.Rest)
	f.Rest = f.Rest[4:]
	return n
}

func (f *RawFields) Text() string {
	n := min(int(f.Uint32()), len(f.Rest))
	s := string(f.Rest[:n])
	f.Rest = f.Rest[n:]
	return s
}

func (f *RawFields) Bool() bool {
	if len(f.Rest) == 0 {
		return false
	}
	b := f.Rest[0] != 0
	f.Rest = f.Rest[1:]
	return b
}

// handshake exchanges versions and keys, and lets the client in.
func (s *rawServer) handshake(conn net.Conn) (*RawConn, error) {
	c := &RawConn{Conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	const version = "SSH-2.0-raw"
	io.WriteString(conn, version+"\r\n")
	line, err := c.in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	theirs := string(bytes.TrimRight([]byte(line), "\r\n"))
	const gcm, mac = "aes128-gcm@openssh.com", "hmac-sha2-256"
	var cookie [16]byte
	init := append(append([]byte{MsgKexInit}, cookie[:]...),
		RawMessage("curve25519-sha256", "ssh-ed25519", gcm, gcm, mac, mac, "none", "none", "", "", false, uint32(0))...)
	if _, err := conn.Write(c.to.Seal(init)); err != nil {
		return nil, err
	}
	clientInit, err := c.Read()
	if err != nil {
		return nil, err
	}
	if err := s.exchangeKeys(c, theirs, version, clientInit, init); err != nil {
		return nil, err
	}
	return c, s.login(c)
}

// exchangeKeys is RFC 8731.
func (s *rawServer) exchangeKeys(c *RawConn, theirs, ours string, clientInit, serverInit []byte) error {
	m, err := c.Read()
	if err != nil {
		return err
	}
	if m[0] != msgECDHInit {
		return errors.New("no key exchange")
	}
	f := RawFields{m[1:]}
	point := f.Text()
	peer, err := ecdh.X25519().NewPublicKey([]byte(point))
	if err != nil {
		return err
	}
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	secret, err := private.ECDH(peer)
	if err != nil {
		return err
	}
	number := new(big.Int).SetBytes(secret).Bytes()
	if number[0]&0x80 != 0 {
		number = append([]byte{0}, number...)
	}
	k := RawMessage(number)
	public := private.PublicKey().Bytes()
	blob := s.HostKey.Marshal()
	hash := sha256.Sum256(append(RawMessage(theirs, ours, clientInit, serverInit, blob, point, public), k...))
	signature := RawMessage("ssh-ed25519", ed25519.Sign(s.key, hash[:]))
	if err := c.Send(msgECDHReply, blob, public, signature); err != nil {
		return err
	}
	if err := c.Send(msgNewKeys); err != nil {
		return err
	}
	if m, err = c.Read(); err != nil {
		return err
	}
	if m[0] != msgNewKeys {
		return errors.New("no new keys")
	}
	derive := func(letter byte, size int) []byte {
		sum := sha256.Sum256(append(append(append(bytes.Clone(k), hash[:]...), letter), hash[:]...))
		return sum[:size]
	}
	for _, d := range []struct {
		keys    *RawKeys
		iv, key byte
	}{{&c.from, 'A', 'C'}, {&c.to, 'B', 'D'}} {
		block, err := aes.NewCipher(derive(d.key, 16))
		if err != nil {
			return err
		}
		if d.keys.aead, err = cipher.NewGCM(block); err != nil {
			return err
		}
		d.keys.nonce = derive(d.iv, 12)
	}
	return nil
}

// letIn accepts the first attempt at authentication.
func (c *RawConn) letIn() error {
	for {
		m, err := c.Read()
		if err != nil {
			return err
		}
		switch m[0] {
		case MsgServiceRequest:
			f := RawFields{m[1:]}
			err = c.Send(MsgServiceAccept, f.Text())
		case MsgAuthRequest:
			return c.Send(msgAuthSuccess)
		}
		if err != nil {
			return err
		}
	}
}
