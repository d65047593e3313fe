package demo

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/sshconn"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

const (
	demoBytes   = 16 << 20               // through each forward, there and back
	demoStreams = 8                      // that are running when the connection is cut
	demoHeld    = 20                     // that are opened while it is down
	demoOutage  = 700 * time.Millisecond // how long the server stays away
	demoTime    = 30 * time.Second       // after which something is wrong
)

// demo tells a story: one line for each thing that happened, with the time since it began.
type demo struct {
	out     io.Writer
	began   time.Time
	server  *sshtest.Server
	echo    net.Listener
	options *config.Options
	tunnel  *tunnel.Tunnel
	monitor *monitor.Monitor
}

// Run tells the story on out and ends by itself; with keep it stays until ctx is done. An error is a step that failed.
func Run(ctx context.Context, out io.Writer, keep bool) error {
	dir, err := os.MkdirTemp("", "tunneld-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{out: out, began: time.Now()}
	if err := d.prepare(ctx, dir); err != nil {
		return err
	}
	defer d.server.Stop()
	defer d.echo.Close()
	if err := d.tunnel.Listen(ctx, nil); err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.monitor.Run(running) }()
	limited, cancel := context.WithTimeout(ctx, demoTime)
	defer cancel()
	err = errors.Join(d.story(limited), d.stay(ctx, keep))
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d.say("done", "everything was in this process; nothing is left behind")
	return nil
}

// say prints one line of the story.
func (d *demo) say(what, format string, args ...any) {
	fmt.Fprintf(d.out, "%6.2f s  %-9s  %s\n", time.Since(d.began).Seconds(), what, fmt.Sprintf(format, args...))
}

// story is what the demo shows.
func (d *demo) story(ctx context.Context) error {
	d.say("server", "an SSH server on %s, with throw-away keys", d.server.Address())
	if err := d.until(ctx, "the tunnel to be up", d.ready); err != nil {
		return err
	}
	d.say("connected", "%s", demoServerText(d.monitor.Status().Server))
	if err := d.carryAll(ctx); err != nil {
		return err
	}
	return d.outage(ctx)
}

func (d *demo) stay(ctx context.Context, keep bool) error {
	if !keep {
		return nil
	}
	for _, f := range d.tunnel.Forwards() {
		d.say("open", "%s on %s", f.Spec, strings.Join(f.Bound, " "))
	}
	d.say("open", "until you press Ctrl-C")
	<-ctx.Done()
	return nil
}

// ready reports whether every forward listens.
func (d *demo) ready() bool {
	for _, f := range d.tunnel.Forwards() {
		if f.State != tunnel.ForwardListening {
			return false
		}
	}
	return d.up()
}

func (d *demo) up() bool { return d.monitor.Status().State == monitor.Up }

// until polls for what other goroutines bring about.
func (d *demo) until(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for %s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}

// prepare makes keys, server, target and tunnel.
func (d *demo) prepare(ctx context.Context, dir string) error {
	key, err := writeDemoKey(filepath.Join(dir, "id_ed25519"))
	if err != nil {
		return err
	}
	owner := func(offered ssh.PublicKey) bool { return bytes.Equal(offered.Marshal(), key.Marshal()) }
	if d.server, err = sshtest.New(owner); err != nil {
		return err
	}
	if err := d.server.Start(); err != nil {
		return err
	}
	if d.echo, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	go demoEcho(d.echo)
	known := knownhosts.Line([]string{d.server.Address()}, d.server.HostKey()) + "\n"
	if err := os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(known), 0o600); err != nil {
		return err
	}
	if d.options, err = d.resolve(ctx, dir); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	d.tunnel = tunnel.New(d.options, &sshconn.Dialer{Credentials: auth.NewCredentials(nil, log), Log: log}, log)
	d.monitor = monitor.New(monitor.Config{Name: "demo", Options: d.options, Log: log}, monitor.Adapt(d.tunnel))
	return nil
}

// resolve goes the way of every alias, but reads no file of the user's.
func (d *demo) resolve(ctx context.Context, dir string) (*config.Options, error) {
	environment, err := config.CurrentEnvironment()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(d.server.Address())
	if err != nil {
		return nil, err
	}
	flags := []config.Flag{{Letter: 'F', Value: "none"}, {Letter: 'p', Value: port}, {Letter: 'i', Value: filepath.Join(dir, "id_ed25519")}}
	for _, option := range []string{
		"User=demo", "IdentitiesOnly=yes", "IdentityAgent=none", "GlobalKnownHostsFile=none", "UpdateHostKeys=no",
		"UserKnownHostsFile=" + filepath.Join(dir, "known_hosts"),
	} {
		flags = append(flags, config.Flag{Letter: 'o', Value: option})
	}
	o, err := config.Resolve(ctx, config.Request{Destination: host, Flags: flags, Environment: environment})
	if err != nil {
		return nil, err
	}
	target := config.Endpoint{Host: "127.0.0.1", HostSet: true, Port: d.echo.Addr().(*net.TCPAddr).Port}
	loopback := config.Endpoint{Host: "127.0.0.1", HostSet: true} // port 0: whatever is free
	o.Forwards = []config.Forward{
		{Kind: config.Local, Listen: loopback, Target: target},
		{Kind: config.Dynamic, Listen: loopback},
		{Kind: config.Remote, Listen: loopback, Target: target},
	}
	return o, nil
}

func writeDemoKey(path string) (ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "tunneld demo")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(public)
}

// demoEcho sends everything back.
func demoEcho(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			io.Copy(conn, conn)
			conn.(*net.TCPConn).CloseWrite()
		}()
	}
}

// socksRequest asks a SOCKS5 proxy for 127.0.0.1:port (RFC 1928).
func socksRequest(port int) []byte {
	return append([]byte{5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1}, byte(port>>8), byte(port))
}
