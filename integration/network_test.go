package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// network is two namespaces with a cable (veth) between them: client and server. Each has a loopback of its own, and
// nothing outside is touched.
type network struct {
	t              testing.TB
	client, server string // names of namespaces
	address        string // the server's
	own            string // the client's
	link           string // the name of the interface at both ends
}

var networks atomic.Int32

// newNetwork lays the cable; skipped unless root may make namespaces.
func newNetwork(t testing.TB) *network {
	t.Helper()
	needRoot(t, "network namespaces")
	need(t, "ip")
	i := networks.Add(1)
	name := fmt.Sprintf("tunneld-%d-%d", os.Getpid(), i)
	n := &network{
		t: t, client: name + "c", server: name + "s", link: "cable",
		address: fmt.Sprintf("10.99.%d.1", i), own: fmt.Sprintf("10.99.%d.2", i),
	}
	t.Cleanup(func() {
		for _, space := range []string{n.client, n.server} {
			exec.Command("ip", "netns", "del", space).Run()
		}
	})
	for _, space := range []string{n.client, n.server} {
		if out, err := exec.Command("ip", "netns", "add", space).CombinedOutput(); err != nil {
			t.Skipf("needs network namespaces: %s", out)
		}
		n.in(space, "ip", "link", "set", "lo", "up")
	}
	n.in(n.client, "ip", "link", "add", n.link, "type", "veth", "peer", "name", n.link, "netns", n.server)
	n.in(n.client, "ip", "address", "add", n.own+"/24", "dev", n.link)
	n.in(n.server, "ip", "address", "add", n.address+"/24", "dev", n.link)
	n.in(n.server, "ip", "link", "set", n.link, "up")
	n.in(n.client, "ip", "link", "set", n.link, "up")
	return n
}

// in runs a command in a namespace.
func (n *network) in(space string, words ...string) {
	n.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", space}, words...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v: %s", strings.Join(words, " "), err, out)
	}
}

// drop throws away every packet that comes to the client's end of the cable, and every one that leaves it.
func (n *network) drop() {
	n.t.Helper()
	need(n.t, "nft")
	n.in(n.client, "nft", `table inet cut {
		chain in { type filter hook input priority 0; iifname "`+n.link+`" drop; }
		chain out { type filter hook output priority 0; oifname "`+n.link+`" drop; }
	}`)
}

// pass ends drop.
func (n *network) pass() { n.t.Helper(); n.in(n.client, "nft", "delete", "table", "inet", "cut") }

// startSSHD runs a server at the far end.
func (n *network) startSSHD(lines ...string) *sshd {
	n.t.Helper()
	s := newSSHD(n.t, append(lines, "ListenAddress "+n.address)...)
	s.prefix = []string{"ip", "netns", "exec", n.server}
	s.start()
	address := net.JoinHostPort(n.address, fmt.Sprint(s.port))
	eventually(n.t, patience, "sshd listens in its namespace", func() bool {
		conn, err := n.dial(address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return s
}

// dial connects from the client's namespace.
func (n *network) dial(address string) (conn net.Conn, err error) {
	n.inside(n.client, func() { conn, err = net.DialTimeout("tcp", address, patience) })
	return conn, err
}

// listen opens a listener on the server's address.
func (n *network) listen() net.Listener {
	n.t.Helper()
	return n.listenAt(n.server, n.address+":0")
}

// listenAt opens a listener in a namespace.
func (n *network) listenAt(space, address string) net.Listener {
	n.t.Helper()
	var l net.Listener
	var err error
	n.inside(space, func() { l, err = net.Listen("tcp", address) })
	if err != nil {
		n.t.Fatal(err)
	}
	return l
}

// inside runs do in a namespace. Sockets made there stay in it, so they can be used from anywhere. The thread comes back:
// it must not end, because the kernel would end the programs that it has started (Pdeathsig).
func (n *network) inside(space string, do func()) {
	n.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- visit(space, do)
	}()
	if err := <-done; err != nil {
		n.t.Fatalf("entering %s: %v", space, err)
	}
}

// visit takes the calling thread into a namespace and back.
func visit(space string, do func()) error {
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := os.Open("/var/run/netns/" + space)
	if err != nil {
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	do()
	return unix.Setns(int(home.Fd()), unix.CLONE_NEWNET)
}

// What happens to cables happens to this one. That the link is down is known at once; that packets vanish has to be
// found out.
func TestComesBackAfterTheNetworkWasGone(t *testing.T) {
	outages := map[string]struct{ gone, back func(*network) }{
		"link down": {
			func(n *network) { n.in(n.client, "ip", "link", "set", n.link, "down") },
			func(n *network) { n.in(n.client, "ip", "link", "set", n.link, "up") },
		},
		"far end down": {
			func(n *network) { n.in(n.server, "ip", "link", "set", n.link, "down") },
			func(n *network) { n.in(n.server, "ip", "link", "set", n.link, "up") },
		},
		"address gone": {
			func(n *network) { n.in(n.client, "ip", "address", "del", n.own+"/24", "dev", n.link) },
			func(n *network) { n.in(n.client, "ip", "address", "add", n.own+"/24", "dev", n.link) },
		},
		"packets dropped": {(*network).drop, (*network).pass},
	}
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t)
			server := n.startSSHD()
			a := newAccount(t)
			server.authorize(a.key)
			a.trust(net.JoinHostPort(n.address, fmt.Sprint(server.port)), server.hostKey)
			a.host(alias, server.port, "HostName "+n.address, "ServerAliveInterval 1", "ServerAliveCountMax 3", "ConnectTimeout 2")
			l := &lab{t: t, account: a, prefix: []string{"ip", "netns", "exec", n.client}}
			r := localRoute(t, startTargetOn(t, n.listen(), echo).address())
			c := l.start(tunneld, append(r.flags, hasty...)...)
			waitUp(t, c, 0)
			works := func() error {
				conn, err := n.dial(r.address)
				if err != nil {
					return err
				}
				defer conn.Close()
				return exchange(conn, name, patience)
			}
			check(t, works())
			from, gone := c.mark(), time.Now()
			outage.gone(n)
			noticed := waitLost(t, c, from, patience)
			if took := noticed.at.Sub(gone); took > 4*time.Second {
				t.Errorf("noticed after %v, want at most 4 s", took)
			}
			outage.back(n)
			check(t, works())
		})
	}
}
