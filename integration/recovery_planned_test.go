package integration

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A client that has said all it had to say reads its answer, which the server is done with, at its leisure. A new connection
// that somebody asks for meanwhile does not cost it a byte.
func TestReconnectSparesAClientThatStillReads(t *testing.T) {
	t.Parallel()
	const size, piece = 3 << 19, 64 << 10 // more than a Unix socket holds, less than the window of a channel
	answer := bytes.Repeat([]byte("tunneld "), size/8)
	l := newLab(t, "TunneldDrain 1")
	target := startTarget(t, func(c *net.TCPConn) {
		io.Copy(io.Discard, c)
		c.Write(answer)
	}).address()
	socket := filepath.Join(t.TempDir(), "s")
	p := l.start(tunneld, "-L", socket+":"+target)
	waitUp(t, p, 0)
	conn, err := net.Dial("unix", socket)
	check(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * patience))
	check(t, conn.(*net.UnixConn).CloseWrite())
	eventually(t, patience, "the answer is here", func() bool {
		s := l.account.status(alias)
		return len(s.Tunnels) == 1 && len(s.Tunnels[0].Sessions) == 1 && s.Tunnels[0].Sessions[0].BytesIn > size
	})
	from := p.mark()
	l.account.expect(0, "reconnected in ", "reconnect", alias)
	var got []byte
	for buffer := make([]byte, piece); ; {
		n, err := io.ReadFull(conn, buffer)
		got = append(got, buffer[:n]...)
		if err != nil {
			break
		}
		<-time.After(60 * time.Millisecond)
	}
	if !bytes.Equal(got, answer) {
		t.Errorf("%d of %d bytes have come", len(got), size)
	}
	closed := p.waitLine(t, from, patience, "the old connection closed", said("old connection closed"))
	if closed.field("cut") != "false" {
		t.Errorf("connections were cut: %s", closed.text)
	}
}

// Opens are on their way at any moment, over a link with a delay, and none is lost while one connection replaces another.
func TestOpensOutliveManyReplacements(t *testing.T) {
	t.Parallel()
	const replacements, clients = 16, 2 // few, so that it is the open alone that keeps a connection
	l := newLab(t, "TunneldDrain 1", "TunneldEcho off")
	r := localRoute(t, startTarget(t, echo).address())
	p := l.open(tunneld, []route{r})
	l.relay.setDelay(15 * time.Millisecond)
	var opened, failed atomic.Int64
	var over atomic.Bool
	var calling sync.WaitGroup
	defer calling.Wait()
	defer over.Store(true)
	for range clients {
		calling.Go(func() {
			for !over.Load() {
				opened.Add(1)
				if err := r.works(patience); err != nil && failed.Add(1) <= 3 {
					t.Errorf("client: %v", err)
				}
			}
		})
	}
	for range replacements {
		from := p.mark()
		p.signal(syscall.SIGUSR1)
		p.waitLine(t, from, patience, "replaced", said("replaced"))
	}
	over.Store(true)
	calling.Wait()
	if n := failed.Load(); n > 0 || opened.Load() < 2*replacements {
		t.Errorf("%d of %d connections failed", n, opened.Load())
	}
	t.Logf("%d connections during %d replacements", opened.Load(), replacements)
	if lost := p.matching(isLost); len(lost) > 0 {
		t.Errorf("a connection was lost: %s", lost[0].text)
	}
}

// A server that says nothing for a while is replaced early; connections that say nothing live on until it is dead by
// ServerAliveInterval and ServerAliveCountMax, and here it comes back before.
func TestQuietConnectionsOutliveAServerThatIsLate(t *testing.T) {
	t.Parallel()
	l := newLab(t, "TunneldDrain 1", "TunneldEcho off", "ServerAliveInterval 1", "ServerAliveCountMax 30")
	r := localRoute(t, startTarget(t, echo).address())
	p := l.open(tunneld, []route{r})
	idle := r.connect(t)
	check(t, exchange(idle, "before", patience))
	from := p.mark()
	sessions := processTree(l.server.process.pid()).below()
	sessions.signal(syscall.SIGSTOP)
	defer sessions.signal(syscall.SIGCONT)
	p.waitLine(t, from, patience, "replaced", said("replaced"))
	never(t, 3*time.Second, "the old connection is closed", func() bool { return len(p.matching(said("old connection closed"))) > 0 })
	check(t, r.works(patience))
	sessions.signal(syscall.SIGCONT)
	check(t, exchange(idle, "after", patience))
}

// Planned replacements fail, and the next attempt is far away; somebody asks for one, and the server answers again.
func TestReconnectIsServedDuringALongWait(t *testing.T) {
	for _, c := range []struct {
		name       string
		harm, mend func(l *lab)
		why        string
	}{
		{"server away", func(l *lab) { l.relay.shut() }, func(l *lab) { l.relay.open() }, "connection refused"},
		{"key refused", func(l *lab) { writeFile(l.t, l.server.path("authorized_keys"), "") }, func(l *lab) { l.server.authorize(l.account.key) }, "refused publickey"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "TunneldMaxLifetime 1", "TunneldEcho off")
			r := localRoute(t, startTarget(t, echo).address())
			p := l.start(tunneld, r.flags...)
			waitUp(t, p, 0)
			c.harm(l)
			failed := p.waitLine(t, 0, 2*patience, "a long wait", func(l line) bool {
				return l.field("msg") == "no new connection, the old one goes on" && waitIn(l) > 4*time.Second
			})
			if !strings.Contains(failed.field("err"), c.why) {
				t.Errorf("failed because %q", failed.field("err"))
			}
			c.mend(l)
			asked := time.Now()
			l.account.expect(0, "reconnected in ", "reconnect", alias)
			if took := time.Since(asked); took > 3*time.Second {
				t.Errorf("served after %v", took)
			}
			check(t, r.works(patience))
		})
	}
}

// Somebody on the path answers one attempt with algorithms that nobody has. He could do so to any tunnel, which is no reason
// for one that has been up to end.
func TestNonsenseFromThePathEndsNoTunnel(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	p := l.open(tunneld, []route{r}, hasty...)
	from := p.mark()
	l.relay.answerNext(func(c net.Conn) {
		const nobody = "nobody@example.org"
		var keys rawKeys
		var cookie [16]byte
		fmt.Fprint(c, "SSH-2.0-OpenSSH_9.9\r\n")
		c.Write(keys.seal(append(append([]byte{msgKexInit}, cookie[:]...), rawMessage(nobody, nobody,
			nobody, nobody, nobody, nobody, "none", "none", "", "", false, uint32(0))...)))
		readToEnd(c, patience)
	})
	l.relay.cut()
	failed := p.waitLine(t, from, patience, "an attempt that failed", isFailed)
	if !strings.Contains(failed.field("err"), "nobody@example.org") || failed.field("phase") != "handshake" {
		t.Errorf("failed because %q", failed.text)
	}
	waitUp(t, p, from)
	check(t, r.works(patience))
	if !p.running() {
		t.Error("tunneld has ended")
	}
}
