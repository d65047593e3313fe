package integration

import (
	"io"
	"syscall"
	"testing"
	"time"
)

func TestStopsWhenAsked(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			ways := routes(t, startTarget(t, echo).address())
			c := l.open(tunneld, ways)
			c.signal(s)
			if code := c.waitExit(t, 5*time.Second); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			for _, r := range ways {
				if err := r.works(time.Second); err == nil {
					t.Errorf("%s still works after the end", r.name)
				}
			}
		})
	}
}

func TestStopsWhenAskedDuringAnOutage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r})
	from := c.mark()
	l.server.kill()
	waitLost(t, c, from, patience)
	held := r.connect(t)
	c.signal(syscall.SIGTERM)
	if code := c.waitExit(t, 5*time.Second); code != 0 { // it can not be served any more, so nobody waits for it
		t.Errorf("exit code %d, want 0", code)
	}
	if err := readToEnd(held, patience); !wasReset(err) {
		t.Errorf("the held connection ended with %v, want a reset", err)
	}
}

// Who is in the middle of a transfer may finish it, while nobody new is let in.
func TestOpenConnectionsMayFinishWhenStopping(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ways := routes(t, startTarget(t, echo).address())
	c := l.open(tunneld, ways, "-o", "TunneldDrain=60")
	var open []io.ReadWriteCloser
	for _, r := range ways {
		conn := r.connect(t)
		check(t, exchange(conn, "before", patience))
		open = append(open, conn)
	}
	c.signal(syscall.SIGTERM)
	eventually(t, patience, "the local listeners are closed", func() bool {
		return !accepts(ways[0].address) && !accepts(ways[2].address)
	})
	for i, conn := range open {
		if _, err := io.WriteString(conn, "after"); err != nil {
			t.Errorf("%s while stopping: %v", ways[i].name, err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Errorf("%s while stopping: %v", ways[i].name, err)
		}
	}
	if !c.running() {
		t.Fatal("ended with connections open")
	}
	for _, conn := range open {
		conn.Close()
	}
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestConnectionsAreCutWhenDrainingTakesTooLong(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r}, "-o", "TunneldDrain=1")
	conn := r.connect(t)
	check(t, exchange(conn, "open", patience))
	c.signal(syscall.SIGTERM)
	if code := c.waitExit(t, 5*time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	expectReset(t, "the client", readToEnd(conn, patience))
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r}, "-o", "TunneldDrain=60")
	conn := r.connect(t)
	check(t, exchange(conn, "open", patience))
	first := time.Now()
	c.signal(syscall.SIGTERM)
	eventually(t, patience, "the local listener is closed", func() bool { return !accepts(r.address) })
	eventually(t, 3*time.Second, "an end at once", func() bool {
		if time.Since(first) > time.Second {
			c.signal(syscall.SIGTERM)
		}
		return !c.running()
	})
	if code := c.waitExit(t, time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// GNU timeout sends its signal to the process, and then to the group in which the process is, too.
func TestSignalThatComesTwiceIsOne(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r}, "-o", "TunneldDrain=60")
	conn := r.connect(t)
	check(t, exchange(conn, "open", patience))
	for range 3 {
		c.signal(syscall.SIGTERM)
	}
	eventually(t, patience, "the local listener is closed", func() bool { return !accepts(r.address) })
	check(t, exchange(conn, "still", patience))
	conn.Close()
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}
