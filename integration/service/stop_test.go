package service

import (
	"github.com/tunneld/tunneld/integration/lab"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestStopsWhenAsked(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			ways := lab.Routes(t, lab.StartTarget(t, lab.Echo).Address())
			c := l.Open(lab.Tunneld, ways)
			c.Signal(s)
			if code := c.WaitExit(t, 5*time.Second); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			for _, r := range ways {
				if err := r.Works(time.Second); err == nil {
					t.Errorf("%s still works after the end", r.Name)
				}
			}
		})
	}
}

func TestStopsWhenAskedDuringAnOutage(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r})
	from := c.Mark()
	l.Server.Kill()
	lab.WaitLost(t, c, from, lab.Patience)
	held := r.Connect(t)
	c.Signal(syscall.SIGTERM)
	if code := c.WaitExit(t, 5*time.Second); code != 0 { // it cannot be served any more, so nobody waits for it
		t.Errorf("exit code %d, want 0", code)
	}
	if err := lab.ReadToEnd(held, lab.Patience); !lab.WasReset(err) {
		t.Errorf("the held connection ended with %v, want a reset", err)
	}
}

// Who is in the middle of a transfer may finish it, while nobody new is let in.
func TestOpenConnectionsMayFinishWhenStopping(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	ways := lab.Routes(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, ways, "-o", "TunneldDrain=60")
	var open []io.ReadWriteCloser
	for _, r := range ways {
		conn := r.Connect(t)
		lab.Check(t, lab.Exchange(conn, "before", lab.Patience))
		open = append(open, conn)
	}
	c.Signal(syscall.SIGTERM)
	lab.Eventually(t, lab.Patience, "the local listeners are closed", func() bool {
		return !lab.Accepts(ways[0].Address) && !lab.Accepts(ways[2].Address)
	})
	for i, conn := range open {
		if _, err := io.WriteString(conn, "after"); err != nil {
			t.Errorf("%s while stopping: %v", ways[i].Name, err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Errorf("%s while stopping: %v", ways[i].Name, err)
		}
	}
	if !c.Running() {
		t.Fatal("ended with connections open")
	}
	for _, conn := range open {
		conn.Close()
	}
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestConnectionsAreCutWhenDrainingTakesTooLong(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r}, "-o", "TunneldDrain=1")
	conn := r.Connect(t)
	lab.Check(t, lab.Exchange(conn, "open", lab.Patience))
	c.Signal(syscall.SIGTERM)
	if code := c.WaitExit(t, 5*time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	lab.ExpectReset(t, "the client", lab.ReadToEnd(conn, lab.Patience))
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r}, "-o", "TunneldDrain=60")
	conn := r.Connect(t)
	lab.Check(t, lab.Exchange(conn, "open", lab.Patience))
	first := time.Now()
	c.Signal(syscall.SIGTERM)
	lab.Eventually(t, lab.Patience, "the local listener is closed", func() bool { return !lab.Accepts(r.Address) })
	lab.Eventually(t, lab.Patience, "an end at once, and not after TunneldDrain", func() bool {
		if time.Since(first) > time.Second {
			c.Signal(syscall.SIGTERM)
		}
		return !c.Running()
	})
	lab.ExpectReset(t, "the client", lab.ReadToEnd(conn, lab.Patience)) // it has not had all
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// What drains since a reload, while another tunnel has its name, is reset as well.
func TestSecondSignalCutsWhatAReloadHasLeft(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Configure([2]string{"sx-old", forwardOf(one)})
	c := l.Up(1, "sx-*", "-o", "TunneldDrain=10m")
	open := one.Connect(t)
	lab.Check(t, lab.Exchange(open, "before", lab.Patience))
	for _, name := range []string{"sx-new", "sx-old"} {
		l.Configure([2]string{name, forwardOf(one)})
		c.Signal(syscall.SIGHUP)
		lab.Eventually(t, lab.Patience, name+" runs", func() bool {
			names := l.Account.Names()
			return slices.Contains(names, name) && (name == "sx-new" || !slices.Contains(names, "sx-new"))
		})
	}
	lab.Check(t, lab.Exchange(open, "after", lab.Patience))
	first := time.Now()
	c.Signal(syscall.SIGTERM)
	lab.Eventually(t, lab.Patience, "an end at once, and not after TunneldDrain", func() bool {
		if time.Since(first) > time.Second {
			c.Signal(syscall.SIGTERM)
		}
		return !c.Running()
	})
	lab.ExpectReset(t, "the client", lab.ReadToEnd(open, lab.Patience))
}

// GNU timeout sends its signal to the process, and then to the group in which the process is, too.
func TestSignalThatComesTwiceIsOne(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r}, "-o", "TunneldDrain=60")
	conn := r.Connect(t)
	lab.Check(t, lab.Exchange(conn, "open", lab.Patience))
	for range 3 {
		c.Signal(syscall.SIGTERM)
	}
	lab.Eventually(t, lab.Patience, "the local listener is closed", func() bool { return !lab.Accepts(r.Address) })
	lab.Check(t, lab.Exchange(conn, "still", lab.Patience))
	conn.Close()
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// What drains on a connection that has been replaced is cut by the second signal, too: clients here and targets of -R see a reset.
func TestSecondSignalResetsWhatDrainsElsewhere(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	ended := make(chan error, 10)
	target := lab.StartTarget(t, func(c *net.TCPConn) {
		if n, err := io.Copy(c, c); n > 0 {
			ended <- err
		}
	})
	local, remote := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address()), lab.RemoteRoute(t, target.Address())
	c := l.Open(lab.Tunneld, []lab.Route{local, remote}, "-o", "TunneldDrain=10m")
	near, far := local.Connect(t), remote.Connect(t)
	exchange := func(text string) {
		lab.Check(t, lab.Exchange(near, text, lab.Patience))
		lab.Check(t, lab.Exchange(far, text, lab.Patience))
	}
	exchange("open")
	l.Account.Expect(0, "", "reconnect", lab.Alias)
	exchange("still open")
	c.Signal(syscall.SIGTERM)
	c.WaitLine(t, 0, lab.Patience, "that it stops", lab.Said("stopping"))
	lab.Never(t, 1500*time.Millisecond, "it ends while connections are open", func() bool { return !c.Running() })
	c.Signal(syscall.SIGTERM)
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	lab.ExpectReset(t, "the client", lab.ReadToEnd(near, lab.Patience))
	lab.ExpectReset(t, "the target", lab.Receive(t, ended))
}
