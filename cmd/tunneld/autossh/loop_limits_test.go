package autossh

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	spec "github.com/tunneld/tunneld/config/autossh"
)

// pipes stands for the way to the server and back: what enters comes out of far, and what is put into back is accepted.
type pipes struct {
	far  chan net.Conn
	back chan net.Conn

	mu       sync.Mutex // guards what follows
	deadline time.Time
	changed  chan struct{} // closed when deadline is another one; nil: nobody waits
}

func (p *pipes) enter(context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	p.far <- far
	return near, nil
}

func (p *pipes) Close() error   { return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 20001} }

func (p *pipes) SetDeadline(at time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = at
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
	return nil
}

// until returns the deadline, and what is closed when it is another one.
func (p *pipes) until() (time.Time, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.deadline, p.changed
}

func (p *pipes) Accept() (net.Conn, error) {
	for {
		deadline, changed := p.until()
		limit := time.NewTimer(time.Until(deadline))
		select {
		case c := <-p.back:
			limit.Stop()
			return c, nil
		case <-limit.C:
			return nil, os.ErrDeadlineExceeded
		case <-changed:
			limit.Stop()
		}
	}
}

// A test of the loop by autossh's own times, which nobody has set: the first one after ten minutes, 15 s for each of writing,
// accepting and reading, and where writing or reading has failed a second try.
func TestLimitsOfATestAreAutosshs(t *testing.T) {
	for name, c := range map[string]struct {
		echo bool                   // an echo service at the server
		far  func(*pipes, net.Conn) // what becomes of a line
		took time.Duration
		says string
	}{
		"nobody reads":                {true, func(*pipes, net.Conn) {}, 30 * time.Second, "tried connection 3 times and failed"},
		"nobody answers":              {true, func(_ *pipes, c net.Conn) { io.Copy(io.Discard, c) }, 30 * time.Second, "timeout on io poll"},
		"nothing comes back":          {false, func(_ *pipes, c net.Conn) { io.Copy(io.Discard, c) }, 15 * time.Second, "timeout polling to accept read connection"},
		"it comes back without words": {false, mute, 30 * time.Second, "timeout on io poll"},
		"it comes back late":          {false, late, 0, "connection ok"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				port := "20000"
				if c.echo {
					port += ":7"
				}
				command, err := spec.Parse([]string{"autossh", "-M", port, "host"}, func(name string) (string, bool) { return "7", name == "AUTOSSH_LOGLEVEL" })
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "log")
				command.Settings.LogFile, command.Settings.LogFileSet = path, true
				log, err := OpenLog(command, io.Discard)
				if err != nil {
					t.Fatal(err)
				}
				defer log.Close()
				p := &pipes{far: make(chan net.Conn), back: make(chan net.Conn)}
				l := &Loop{log: log, name: command.Name, monitor: command.Monitor, settings: command.Settings, enter: p.enter}
				if !c.echo {
					l.read = p
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() {
					for {
						select {
						case far := <-p.far:
							go c.far(p, far)
						case <-ctx.Done():
							return
						}
					}
				}()
				began, done := time.Now(), make(chan struct{})
				if c.took == 0 {
					time.AfterFunc(11*time.Minute, func() { close(done) })
				}
				err = l.Watch(ctx, &fakePath{done: done}, began)()
				took := time.Since(began) - 10*time.Minute
				if down := errors.Is(err, ErrPortDown); down != (c.took > 0) || down && took.Round(time.Second) != c.took {
					t.Errorf("%v after ten minutes and %v, want %v", err, took, c.took)
				}
				if !strings.Contains(logged(path), c.says) {
					t.Errorf("the log lacks %q:\n%s", c.says, logged(path))
				}
			})
		})
	}
}

// mute is a way that leads back and carries nothing.
func mute(p *pipes, c net.Conn) {
	near, far := net.Pipe()
	defer near.Close()
	c.Read(make([]byte, 200))
	p.back <- far
	io.Copy(io.Discard, c)
}

// late uses almost all the time there is for accepting, and again for reading.
func late(p *pipes, c net.Conn) {
	line := make([]byte, 200)
	n, err := c.Read(line)
	if err != nil {
		return
	}
	near, far := net.Pipe()
	defer near.Close()
	<-time.After(14 * time.Second)
	p.back <- far
	<-time.After(14 * time.Second)
	near.Write(line[:n])
}
