package sshconn

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config"
)

// inNetwork runs f on a thread in a network namespace of its own, where loopback is up. The thread ends with f.
func inNetwork(t *testing.T, f func(run func(argv ...string) error)) {
	t.Helper()
	ip := peerTool(t, "ip")
	skip := make(chan string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread is no good for anybody else
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			skip <- fmt.Sprint("no network namespace to be had: ", err)
			return
		}
		run := func(argv ...string) error {
			out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput() // inherits the thread's namespace
			if err != nil {
				return fmt.Errorf("%v: %w: %s", argv, err, out)
			}
			return nil
		}
		if err := run(ip, "link", "set", "lo", "up"); err != nil {
			skip <- err.Error()
			return
		}
		f(run)
	}()
	<-done
	select {
	case why := <-skip:
		t.Skip(why)
	default:
	}
}

// TCP_USER_TIMEOUT alone: no keepalive runs here, and the kernel would go on for a quarter of an hour.
func TestBlackHoleIsNoticedByTheKernel(t *testing.T) {
	wantNoLeak(t)
	nft := peerTool(t, "nft")
	inNetwork(t, func(run func(...string) error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Error(err)
			return
		}
		defer l.Close()
		o := &config.Options{IPQoS: -1, ServerAliveInterval: time.Second, ServerAliveCountMax: 1}
		conn, err := connectTCP(t.Context(), o, netip.MustParseAddrPort(l.Addr().String()), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Error(err)
			return
		}
		far, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer far.Close()
		w := NewWire(conn)
		defer w.Close()
		for _, rule := range []string{"add table inet t", "add chain inet t c { type filter hook input priority 0 ; policy drop ; }"} {
			if err := run(nft, rule); err != nil {
				t.Error(err)
				return
			}
		}
		begun := time.Now()
		w.Write([]byte("lost"))
		dead := make(chan struct{})
		w.OnDead(func() { close(dead) })
		go w.Read(make([]byte, 1))
		select {
		case <-dead:
		case <-time.After(10 * time.Second):
			t.Error("nothing noticed within 10 s")
			return
		}
		if !errors.Is(w.err(), syscall.ETIMEDOUT) {
			t.Errorf("the wire died of %v", w.err())
		}
		t.Logf("noticed after %v: %v", time.Since(begun).Round(time.Millisecond), w.err())
	})
}

// A listener whose queue is full answers no SYN, as a host behind a firewall does.
func TestDialPassesASilentAddress(t *testing.T) {
	wantNoLeak(t)
	server := startSSHD(t)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	silent := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), uint16(server.port()))
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: server.port(), Addr: silent.Addr().As4()}); err != nil {
		t.Skipf("127.0.0.9 is not ours: %v", err)
	}
	unix.Listen(fd, 0)
	filling := net.Dialer{Timeout: 100 * time.Millisecond}
	for range 10 {
		conn, err := filling.Dial("tcp", silent.String())
		if err != nil {
			break
		}
		defer conn.Close()
	}
	o := server.options(t)
	o.HostName = "two.example"
	d := dialerFor(t, o, server, silent.Addr(), netip.MustParseAddr("127.0.0.1"))
	begun := time.Now()
	l, err := d.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
	if took := time.Since(begun); took < stagger {
		t.Errorf("up after %v: the silent address was not tried first", took)
	}
	if l.Info.Address != server.listener.Addr().String() {
		t.Errorf("connected to %s", l.Info.Address)
	}
}
