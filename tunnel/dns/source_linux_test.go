package dns

import (
	"context"
	"net"
	"runtime"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// network is a machine of several addresses: all of 127.0.0.0/8, in a namespace that ends with its sockets.
type network struct {
	listener *Listener
	client   *net.UDPConn
	err      error
}

func newNetwork(ctx context.Context) (n network) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	if n.err = unix.Unshare(unix.CLONE_NEWNET); n.err != nil {
		return n
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return network{err: err}
	}
	defer unix.Close(fd)
	loopback, err := unix.NewIfreq("lo")
	if err != nil {
		return network{err: err}
	}
	loopback.SetUint16(unix.IFF_UP)
	if n.err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, loopback); n.err != nil {
		return n
	}
	if n.listener, n.err = Listen(ctx, "udp4", "0.0.0.0:5300"); n.err != nil {
		return n
	}
	n.client, n.err = net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 7), Port: 5300})
	return n
}

// An answer comes from the address that was asked, of the several that there are: who asks takes it from no other.
func TestSource(t *testing.T) {
	t.Parallel()
	made := make(chan network)
	go func() { made <- newNetwork(t.Context()) }()
	n := <-made
	if n.err != nil {
		t.Skip("no network of one's own: ", n.err)
	}
	newLabOf(t, n.listener, honest)
	defer n.client.Close()
	c := &client{t, n.client}
	c.expect(c.ask(1, "a.example."), dnsmessage.RCodeSuccess)
}
