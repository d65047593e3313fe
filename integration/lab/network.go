package lab

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
)

// Network is two namespaces with a cable (veth) between them: client and server. Each has a loopback of its own, and
// nothing outside is touched.
type Network struct {
	t              testing.TB
	Client, Server string // names of namespaces
	Address        string // the server's
	Own            string // the client's
	Link           string // the name of the interface at both ends
}

// Drop throws away every packet that comes to the client's end of the cable, and every one that leaves it.
func (n *Network) Drop() {
	n.t.Helper()
	Need(n.t, "nft")
	n.In(n.Client, "nft", `table inet cut {
		chain in { type filter hook input priority 0; iifname "`+n.Link+`" drop; }
		chain out { type filter hook output priority 0; oifname "`+n.Link+`" drop; }
	}`)
}

// In runs a command in a namespace.
func (n *Network) In(space string, words ...string) {
	n.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", space}, words...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v: %s", strings.Join(words, " "), err, out)
	}
}

// Inside runs do in a namespace. Sockets made there stay in it, so they can be used from anywhere. The thread comes back:
// it must not end, because the kernel would end the programs that it has started (Pdeathsig).
func (n *Network) Inside(space string, do func()) {
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

// Listen opens a listener on the server's address.
func (n *Network) Listen() net.Listener {
	n.t.Helper()
	return n.ListenAt(n.Server, n.Address+":0")
}

// ListenAt opens a listener in a namespace.
func (n *Network) ListenAt(space, address string) net.Listener {
	n.t.Helper()
	var l net.Listener
	var err error
	n.Inside(space, func() { l, err = net.Listen("tcp", address) })
	if err != nil {
		n.t.Fatal(err)
	}
	return l
}

// Pass ends drop.
func (n *Network) Pass() { n.t.Helper(); n.In(n.Client, "nft", "delete", "table", "inet", "cut") }

// StartSSHD runs a server at the far end.
func (n *Network) StartSSHD(lines ...string) *Sshd {
	n.t.Helper()
	s := NewSSHD(n.t, append(lines, "ListenAddress "+n.Address)...)
	s.Prefix = []string{"ip", "netns", "exec", n.Server}
	s.Start()
	address := net.JoinHostPort(n.Address, fmt.Sprint(s.Port))
	Eventually(n.t, Patience, "sshd listens in its namespace", func() bool {
		conn, err := n.Dial(address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return s
}

// NewNetwork lays the cable; skipped unless root may make namespaces.
func NewNetwork(t testing.TB) *Network {
	t.Helper()
	NeedRoot(t, "network namespaces")
	Need(t, "ip")
	i := networks.Add(1)
	name := fmt.Sprintf("tunneld-%d-%d", os.Getpid(), i)
	n := &Network{
		t: t, Client: name + "c", Server: name + "s", Link: "cable",
		Address: fmt.Sprintf("10.99.%d.1", i), Own: fmt.Sprintf("10.99.%d.2", i),
	}
	t.Cleanup(func() {
		for _, space := range []string{n.Client, n.Server} {
			exec.Command("ip", "netns", "del", space).Run()
		}
	})
	for _, space := range []string{n.Client, n.Server} {
		if out, err := exec.Command("ip", "netns", "add", space).CombinedOutput(); err != nil {
			t.Skipf("needs network namespaces: %s", out)
		}
		n.In(space, "ip", "link", "set", "lo", "up")
	}
	n.In(n.Client, "ip", "link", "add", n.Link, "type", "veth", "peer", "name", n.Link, "netns", n.Server)
	n.In(n.Client, "ip", "address", "add", n.Own+"/24", "dev", n.Link)
	n.In(n.Server, "ip", "address", "add", n.Address+"/24", "dev", n.Link)
	n.In(n.Server, "ip", "link", "set", n.Link, "up")
	n.In(n.Client, "ip", "link", "set", n.Link, "up")
	return n
}

// Dial connects from the client's namespace.
func (n *Network) Dial(address string) (conn net.Conn, err error) {
	n.Inside(n.Client, func() { conn, err = net.DialTimeout("tcp", address, Patience) })
	return conn, err
}

// Listening returns the addresses that somebody listens on at both ends, by port, from the kernel's table.
func (n *Network) Listening(from, to int) map[string][]string {
	n.t.Helper()
	found := make(map[string][]string)
	for _, space := range []string{n.Client, n.Server} {
		n.Inside(space, func() {
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

// Refuse answers every connection from the client to a port with a reset, until pass.
func (n *Network) Refuse(port int) {
	n.t.Helper()
	n.In(n.Client, "nft", fmt.Sprintf(`table inet cut {
		chain out { type filter hook output priority 0; oifname "%s" tcp dport %d ct state new reject with tcp reset; }
	}`, n.Link, port))
}

// Subnet is what both ends of the cable are in.
func (n *Network) Subnet() string {
	_, subnet, _ := net.ParseCIDR(n.Own + "/24")
	return subnet.String()
}

var networks atomic.Int32

// DnsServer starts one where tunneld looks for it.
func (n *Network) DnsServer(address string) *dnsServer {
	n.t.Helper()
	conn := n.listenDNS()
	addr, _ := netip.ParseAddr(address)
	s := startDNSServer(conn, addr)
	n.t.Cleanup(s.stop)
	return s
}

// SilentDNS takes every question where tunneld looks for a name server, and answers none, until it is closed.
func (n *Network) SilentDNS() net.PacketConn {
	n.t.Helper()
	conn := n.listenDNS()
	n.t.Cleanup(func() { conn.Close() })
	return conn
}

// listenDNS opens the socket of a name server; a child that is being started at this moment may still have that of one before.
func (n *Network) listenDNS() (conn net.PacketConn) {
	n.t.Helper()
	Eventually(n.t, Patience, "the port of a name server is free", func() bool {
		var err error
		n.Inside(n.Client, func() { conn, err = net.ListenPacket("udp4", "127.0.0.1:53") })
		return err == nil
	})
	return conn
}

// WaitServed waits until bytes go through a listener of tunneld's in its namespace.
func (n *Network) WaitServed(c *Child, r Route) {
	n.t.Helper()
	Eventually(n.t, Patience, "bytes through the tunnel", func() bool {
		conn, err := n.Dial(r.Address)
		if err != nil {
			return false
		}
		defer conn.Close()
		return Exchange(conn, "hello", Patience/10) == nil
	})
}

// Forget restarts the server in such a way that the client's kernel does not hear of it.
func (n *Network) Forget(server *Sshd) {
	n.t.Helper()
	n.In(n.Server, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/tcp_orphan_retries")
	n.Drop()
	server.Kill()
	Eventually(n.t, Patience, "the server's kernel has given the old connection up", func() bool {
		out, err := exec.Command("ip", "netns", "exec", n.Server, "ss", "-Htn").Output()
		return err == nil && len(out) == 0
	})
	n.Pass()
	server.Start()
}

// Settle waits until the cable's own events are over.
func (n *Network) Settle() {
	n.t.Helper()
	n.In(n.Client, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6") // its addresses come late
	Eventually(n.t, Patience, "the link is up", func() bool {
		out, err := exec.Command("ip", "-n", n.Client, "-o", "link", "show", n.Link).Output()
		return err == nil && strings.Contains(string(out), "state UP")
	})
}
