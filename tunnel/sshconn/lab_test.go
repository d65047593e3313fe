package sshconn

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// stranger is a TCP listener on loopback that hands each connection to serve.
type stranger struct {
	listener net.Listener
	serve    func(net.Conn)
	wg       sync.WaitGroup

	mu    sync.Mutex // guards all following
	ends  []func()   // end the connections there were
	conns []net.Conn // that damage has not damaged
	said  bytes.Buffer
}

// startPeer listens until the test ends. serve may return before the connection's end; it is closed with the test.
func startPeer(t testing.TB, serve func(net.Conn)) *stranger {
	t.Helper()
	p := &stranger{serve: serve}
	p.start(t)
	return p
}

func (p *stranger) start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.listener = l
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.cut()
		p.wg.Wait()
		if t.Failed() {
			t.Logf("the server said:\n%s", p.words())
		}
	})
}

func (p *stranger) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.endBy(func() {
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		})
		p.mu.Lock()
		p.conns = append(p.conns, conn)
		p.mu.Unlock()
		p.wg.Go(func() { p.serve(conn) })
	}
}

func (p *stranger) endBy(end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends = append(p.ends, end)
}

// cut ends every connection there is, without a word.
func (p *stranger) cut() {
	p.mu.Lock()
	ends := p.ends
	p.ends = nil
	p.mu.Unlock()
	for _, end := range ends {
		end()
	}
}

// damage writes to every connection there is what no key has encrypted, and leaves it open.
func (p *stranger) damage() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		conn.Write(bytes.Repeat([]byte{0xff}, 64))
	}
	p.conns = nil
}

func (p *stranger) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Write takes what a server says on its standard error.
func (p *stranger) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

func (p *stranger) words() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// peerKeys is a key pair in files of a temporary directory.
type peerKeys struct {
	dir    string
	file   string // private key in OpenSSH's format
	public ssh.PublicKey
}

func newPeerKeys(t testing.TB) *peerKeys {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		t.Fatal(err)
	}
	k := &peerKeys{dir: t.TempDir()}
	k.file = filepath.Join(k.dir, "key")
	if k.public, err = ssh.NewPublicKey(public); err != nil {
		t.Fatal(err)
	}
	peerWrite(t, k.file, pem.EncodeToMemory(block))
	peerWrite(t, k.file+".pub", ssh.MarshalAuthorizedKey(k.public))
	return k
}

func (k *peerKeys) signer(t testing.TB) ssh.Signer {
	t.Helper()
	text, err := os.ReadFile(k.file)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func peerWrite(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func peerTool(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
			if path := filepath.Join(dir, name); filepath.IsAbs(path) {
				if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
					return path
				}
			}
		}
	}
	t.Skipf("needs %s: not installed; as root, make tools installs it", strings.Join(names, " or "))
	return ""
}

// valve is a relay's: while it is shut, connections stay open and nothing passes.
type valve struct {
	mu     sync.Mutex
	moved  sync.Cond
	closed bool // guarded by mu
}

func newValve() *valve {
	v := &valve{}
	v.moved.L = &v.mu
	return v
}

func (v *valve) shut() { v.set(true) }
func (v *valve) open() { v.set(false) }

func (v *valve) set(closed bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = closed
	v.moved.Broadcast()
}

// join connects c to a port of loopback until either side ends.
func (v *valve) join(c net.Conn, port int) {
	far, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		c.Close()
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, far}, {far, c}} {
		both.Go(func() {
			defer c.Close()
			defer far.Close()
			buf := make([]byte, 32<<10)
			for {
				n, err := way[0].Read(buf)
				v.wait()
				if _, werr := way[1].Write(buf[:n]); err != nil || werr != nil {
					return
				}
			}
		})
	}
	both.Wait()
}

func (v *valve) wait() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for v.closed {
		v.moved.Wait()
	}
}
