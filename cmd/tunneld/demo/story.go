package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/errno"
	"github.com/tunneld/tunneld/monitor"
)

func demoServerText(s monitor.Server) string {
	return fmt.Sprintf("as %s, %s, %s, host key %s", s.User, s.Kex, s.Cipher, s.HostKey)
}

// dial connects to forward n; -D is asked for the echo target.
func (d *demo) dial(n int) (*net.TCPConn, error) {
	f := d.tunnel.Forwards()[n]
	conn, err := net.Dial("tcp", f.Bound[0])
	if err != nil {
		return nil, err
	}
	if f.Kind == config.Dynamic {
		if err := askSOCKS(conn, d.options.Forwards[0].Target.Port); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn.(*net.TCPConn), nil
}

// askSOCKS has a SOCKS5 proxy connect conn to a port on its loopback.
func askSOCKS(conn net.Conn, port int) error {
	if _, err := conn.Write(socksRequest(port)); err != nil {
		return err
	}
	var answer [12]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	if answer[3] != 0 {
		return fmt.Errorf("the SOCKS proxy answered %d", answer[3])
	}
	return nil
}

// carryAll sends data through each forward and compares what comes back.
func (d *demo) carryAll(ctx context.Context) error {
	data := make([]byte, demoBytes)
	rand.Read(data)
	want := sha256.Sum256(data)
	for n, f := range d.tunnel.Forwards() {
		began := time.Now()
		got, err := d.carry(ctx, n, data)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Spec, err)
		}
		if got != want {
			return fmt.Errorf("%s: the checksums differ", f.Spec)
		}
		rate := 2 * float64(demoBytes) / (1 << 20) / time.Since(began).Seconds()
		d.say("-"+string(rune(f.Kind)), "%d MiB there and back through %s, checksums equal, %.0f MiB/s", demoBytes>>20, f.Bound[0], rate)
	}
	return nil
}

func (d *demo) carry(ctx context.Context, n int, data []byte) (sum [sha256.Size]byte, err error) {
	conn, err := d.dial(n)
	if err != nil {
		return sum, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	go func() {
		conn.Write(data)
		conn.CloseWrite()
	}()
	hash := sha256.New()
	if _, err := io.Copy(hash, conn); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}

// outage cuts the connection under load, opens connections while it is down, and sees both kinds through.
func (d *demo) outage(ctx context.Context) error {
	load := newDemoLoad(d)
	if err := load.start(ctx); err != nil {
		return err
	}
	d.server.Stop()
	cut := time.Now()
	d.say("cut", "the server is switched off while %d connections carry data", demoStreams)
	if err := d.until(ctx, "the loss to be noticed", func() bool { return !d.up() }); err != nil {
		return err
	}
	d.say("noticed", "after %.1f ms", float64(time.Since(cut).Microseconds())/1000)
	load.wait()
	d.say("reset", "%d of %d open connections: a cut transfer never looks complete", load.resets.Load(), demoStreams)

	held := d.openHeld(ctx)
	wake := time.NewTimer(demoOutage)
	defer wake.Stop()
	select {
	case <-wake.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := d.server.Start(); err != nil {
		return err
	}
	back := time.Now()
	d.say("server", "switched on again; %d connections were opened meanwhile and wait", demoHeld)
	if err := d.until(ctx, "the tunnel to come back", d.ready); err != nil {
		return err
	}
	served, refused := held()
	d.say("back", "%.0f ms after the server; %d waiting connections served, %d refused", time.Since(back).Seconds()*1000, served, refused)
	if refused > 0 || load.resets.Load() != demoStreams {
		return fmt.Errorf("%d waiting connections were refused and %d of %d open ones were reset, want none and all", refused, load.resets.Load(), demoStreams)
	}
	return nil
}

// openHeld opens connections and returns a function that waits for their echo and counts them.
func (d *demo) openHeld(ctx context.Context) func() (served, refused int64) {
	var ok, failed atomic.Int64
	var all sync.WaitGroup
	for range demoHeld {
		all.Go(func() {
			word := []byte("held")
			sum, err := d.carry(ctx, 0, word)
			if err != nil || sum != sha256.Sum256(word) {
				failed.Add(1)
				return
			}
			ok.Add(1)
		})
	}
	return func() (int64, int64) {
		all.Wait()
		return ok.Load(), failed.Load()
	}
}

// demoLoad are connections that carry data until they are cut.
type demoLoad struct {
	demo   *demo
	resets atomic.Int64
	all    sync.WaitGroup
}

func newDemoLoad(d *demo) *demoLoad { return &demoLoad{demo: d} }

// start opens the connections and returns when each has had data back.
func (l *demoLoad) start(ctx context.Context) error {
	var moving sync.WaitGroup
	var failures [demoStreams]error
	for i := range demoStreams {
		moving.Add(1)
		l.all.Go(func() {
			conn, err := l.demo.dial(0)
			if err != nil {
				failures[i] = err
				moving.Done()
				return
			}
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			l.pump(conn, sync.OnceFunc(moving.Done))
		})
	}
	moving.Wait()
	return errors.Join(failures[:]...)
}

// pump sends and receives until conn ends. The kernel tells of a reset once, to whoever of reader and writer comes first.
func (l *demoLoad) pump(conn *net.TCPConn, moving func()) {
	defer moving()
	wrote := make(chan error, 1)
	go func() {
		block := bytes.Repeat([]byte("tunneld "), 4096)
		for {
			if _, err := conn.Write(block); err != nil {
				wrote <- err
				return
			}
		}
	}()
	buffer := make([]byte, 64<<10)
	for {
		if _, err := conn.Read(buffer); err != nil {
			if err = errors.Join(err, <-wrote); errors.Is(err, errno.Reset) {
				l.resets.Add(1)
			}
			return
		}
		moving()
	}
}

func (l *demoLoad) wait() { l.all.Wait() }
