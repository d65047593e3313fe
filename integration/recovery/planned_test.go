package recovery

import (
	"bytes"
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
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
	l := lab.New(t, "TunneldDrain 1")
	target := lab.StartTarget(t, func(c *net.TCPConn) {
		io.Copy(io.Discard, c)
		c.Write(answer)
	}).Address()
	socket := filepath.Join(t.TempDir(), "s")
	p := l.Start(lab.Tunneld, "-L", socket+":"+target)
	lab.WaitUp(t, p, 0)
	conn, err := net.Dial("unix", socket)
	lab.Check(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * lab.Patience))
	lab.Check(t, conn.(*net.UnixConn).CloseWrite())
	lab.Eventually(t, lab.Patience, "the answer is here", func() bool {
		s := l.Account.Status(lab.Alias)
		return len(s.Tunnels) == 1 && len(s.Tunnels[0].Sessions) == 1 && s.Tunnels[0].Sessions[0].BytesIn > size
	})
	from := p.Mark()
	l.Account.Expect(0, "reconnected in ", "reconnect", lab.Alias)
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
	closed := p.WaitLine(t, from, lab.Patience, "the old connection closed", lab.Said("old connection closed"))
	if closed.Field("cut") != "false" {
		t.Errorf("connections were cut: %s", closed.Text)
	}
}

// Opens are on their way at any moment, over a link with a delay, and none is lost while one connection replaces another.
func TestOpensOutliveManyReplacements(t *testing.T) {
	t.Parallel()
	const replacements, clients = 16, 2 // few, so that it is the open alone that keeps a connection
	l := lab.New(t, "TunneldDrain 1", "TunneldEcho off")
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	p := l.Open(lab.Tunneld, []lab.Route{r})
	l.Relay.SetDelay(15 * time.Millisecond)
	var opened, failed atomic.Int64
	var over atomic.Bool
	var calling sync.WaitGroup
	defer calling.Wait()
	defer over.Store(true)
	for range clients {
		calling.Go(func() {
			for !over.Load() {
				opened.Add(1)
				if err := r.Works(lab.Patience); err != nil && failed.Add(1) <= 3 {
					t.Errorf("client: %v", err)
				}
			}
		})
	}
	for range replacements {
		from := p.Mark()
		p.Signal(syscall.SIGUSR1)
		p.WaitLine(t, from, lab.Patience, "replaced", lab.Said("replaced"))
	}
	over.Store(true)
	calling.Wait()
	if n := failed.Load(); n > 0 || opened.Load() < 2*replacements {
		t.Errorf("%d of %d connections failed", n, opened.Load())
	}
	t.Logf("%d connections during %d replacements", opened.Load(), replacements)
	if lost := p.Matching(lab.IsLost); len(lost) > 0 {
		t.Errorf("a connection was lost: %s", lost[0].Text)
	}
}

// A server that says nothing for a while is replaced early; connections that say nothing live on until it is dead by
// ServerAliveInterval and ServerAliveCountMax, and here it comes back before.
func TestQuietConnectionsOutliveAServerThatIsLate(t *testing.T) {
	t.Parallel()
	l := lab.New(t, "TunneldDrain 1", "TunneldEcho off", "ServerAliveInterval 1", "ServerAliveCountMax 30")
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	p := l.Open(lab.Tunneld, []lab.Route{r})
	idle := r.Connect(t)
	lab.Check(t, lab.Exchange(idle, "before", lab.Patience))
	from := p.Mark()
	sessions := lab.ProcessTree(l.Server.Process.Pid()).Below()
	sessions.Signal(syscall.SIGSTOP)
	defer sessions.Signal(syscall.SIGCONT)
	p.WaitLine(t, from, lab.Patience, "replaced", lab.Said("replaced"))
	lab.Never(t, 3*time.Second, "the old connection is closed", func() bool { return len(p.Matching(lab.Said("old connection closed"))) > 0 })
	lab.Check(t, r.Works(lab.Patience))
	sessions.Signal(syscall.SIGCONT)
	lab.Check(t, lab.Exchange(idle, "after", lab.Patience))
}

// Planned replacements fail, and the next attempt is far away; somebody asks for one, and the server answers again.
func TestReconnectIsServedDuringALongWait(t *testing.T) {
	for _, c := range []struct {
		name       string
		harm, mend func(l *lab.Lab)
		why        string
	}{
		{"server away", func(l *lab.Lab) { l.Relay.Shut() }, func(l *lab.Lab) { l.Relay.Open() }, "connection refused"},
		{"key refused", func(l *lab.Lab) { lab.WriteFile(l.T, l.Server.Path("authorized_keys"), "") }, func(l *lab.Lab) { l.Server.Authorize(l.Account.Key) }, "refused publickey"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, "TunneldMaxLifetime 1", "TunneldEcho off")
			r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
			p := l.Start(lab.Tunneld, append(r.Flags, "-v")...) // it is said once; later it is for debugging
			lab.WaitUp(t, p, 0)
			c.harm(l)
			failed := p.WaitLine(t, 0, 2*lab.Patience, "a long wait", func(l lab.Line) bool {
				return l.Field("msg") == "keeping the present connection: no new one could be made" && waitIn(l) > 4*time.Second
			})
			if !strings.Contains(failed.Field("err"), c.why) {
				t.Errorf("failed because %q", failed.Field("err"))
			}
			c.mend(l)
			asked := time.Now()
			l.Account.Expect(0, "reconnected in ", "reconnect", lab.Alias)
			if took := time.Since(asked); took > waitIn(failed) {
				t.Errorf("served after %v, and the wait was %v", took, waitIn(failed))
			}
			lab.Check(t, r.Works(lab.Patience))
		})
	}
}

// Somebody on the path answers one attempt with algorithms that nobody has. He could do so to any tunnel, which is no reason
// for one that has been up to end.
func TestNonsenseFromThePathEndsNoTunnel(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	p := l.Open(lab.Tunneld, []lab.Route{r}, lab.Hasty...)
	from := p.Mark()
	l.Relay.AnswerNext(func(c net.Conn) {
		const nobody = "nobody@example.org"
		var keys lab.RawKeys
		var cookie [16]byte
		fmt.Fprint(c, "SSH-2.0-OpenSSH_9.9\r\n")
		c.Write(keys.Seal(append(append([]byte{lab.MsgKexInit}, cookie[:]...), lab.RawMessage(nobody, nobody,
			nobody, nobody, nobody, nobody, "none", "none", "", "", false, uint32(0))...)))
		lab.ReadToEnd(c, lab.Patience)
	})
	l.Relay.Cut()
	failed := p.WaitLine(t, from, lab.Patience, "an attempt that failed", lab.IsFailed)
	if !strings.Contains(failed.Field("err"), "nobody@example.org") || failed.Field("phase") != "handshake" {
		t.Errorf("failed because %q", failed.Text)
	}
	lab.WaitUp(t, p, from)
	lab.Check(t, r.Works(lab.Patience))
	if !p.Running() {
		t.Error("tunneld has ended")
	}
}
