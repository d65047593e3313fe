package integration

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

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

// drop throws away every packet that comes to the client's end of the cable, and every one that leaves it.
func (n *network) drop() {
	n.t.Helper()
	need(n.t, "nft")
	n.in(n.client, "nft", `table inet cut {
		chain in { type filter hook input priority 0; iifname "`+n.link+`" drop; }
		chain out { type filter hook output priority 0; oifname "`+n.link+`" drop; }
	}`)
}

// in runs a command in a namespace.
func (n *network) in(space string, words ...string) {
	n.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", space}, words...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v: %s", strings.Join(words, " "), err, out)
	}
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

// dial connects from the client's namespace.
func (n *network) dial(address string) (conn net.Conn, err error) {
	n.inside(n.client, func() { conn, err = net.DialTimeout("tcp", address, patience) })
	return conn, err
}

// listening gives the addresses that somebody listens on at both ends, by port, from the kernel's table.
func (n *network) listening(from, to int) map[string][]string {
	n.t.Helper()
	found := make(map[string][]string)
	for _, space := range []string{n.client, n.server} {
		n.inside(space, func() {
			for _, table := range []string{"tcp", "tcp6"} {
				data, _ := os.ReadFile("/proc/thread-self/net/" + table)
				for row := range strings.Lines(string(data)) {
					fields := strings.Fields(row)
					if len(fields) < 4 || fields[3] != "0A" {
						continue
					}
					address, hex, _ := strings.Cut(fields[1], ":")
					port, _ := strconv.ParseUint(hex, 16, 16)
					if int(port) >= from && int(port) <= to {
						key := fmt.Sprint(port)
						found[key] = append(found[key], space[len(space)-1:]+" "+address)
					}
				}
			}
		})
	}
	for _, addresses := range found {
		slices.Sort(addresses)
	}
	return found
}

// refuse answers every connection from the client to a port with a reset, until pass.
func (n *network) refuse(port int) {
	n.t.Helper()
	n.in(n.client, "nft", fmt.Sprintf(`table inet cut {
		chain out { type filter hook output priority 0; oifname "%s" tcp dport %d ct state new reject with tcp reset; }
	}`, n.link, port))
}

// subnet is what both ends of the cable are in.
func (n *network) subnet() string {
	_, subnet, _ := net.ParseCIDR(n.own + "/24")
	return subnet.String()
}

var networks atomic.Int32

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

// dnsServer starts one where tunneld looks for it.
func (n *network) dnsServer(address string) *dnsServer {
	n.t.Helper()
	var conn net.PacketConn
	var err error
	n.inside(n.client, func() { conn, err = net.ListenPacket("udp4", "127.0.0.1:53") })
	if err != nil {
		n.t.Fatal(err)
	}
	addr, _ := netip.ParseAddr(address)
	s := startDNSServer(conn, addr)
	n.t.Cleanup(s.stop)
	return s
}

// waitServed waits until bytes go through a listener of tunneld's in its namespace.
func (n *network) waitServed(c *child, r route) {
	n.t.Helper()
	eventually(n.t, patience, "bytes through the tunnel", func() bool {
		conn, err := n.dial(r.address)
		if err != nil {
			return false
		}
		defer conn.Close()
		return exchange(conn, "hello", patience/10) == nil
	})
}

// forget has the server start anew in such a way that the client's kernel does not hear of it.
func (n *network) forget(server *sshd) {
	n.t.Helper()
	n.in(n.server, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/tcp_orphan_retries")
	n.drop()
	server.kill()
	eventually(n.t, patience, "the server's kernel has given the old connection up", func() bool {
		out, err := exec.Command("ip", "netns", "exec", n.server, "ss", "-Htn").Output()
		return err == nil && len(out) == 0
	})
	n.pass()
	server.start()
}

// settle waits until the cable's own events are over.
func (n *network) settle() {
	n.t.Helper()
	n.in(n.client, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6") // its addresses come late
	eventually(n.t, patience, "the link is up", func() bool {
		out, err := exec.Command("ip", "-n", n.client, "-o", "link", "show", n.link).Output()
		return err == nil && strings.Contains(string(out), "state UP")
	})
}
