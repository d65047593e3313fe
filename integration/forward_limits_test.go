package integration

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What many connections cost, and what they leave.

// Ten thousand connections through every kind of forward leave nothing behind.
func TestNothingIsLeftOf10000Connections(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	echoes := startTarget(t, echo).address()
	socket := t.TempDir() + "/s"
	ways := append(routes(t, echoes), route{"L unix", []string{"-L", socket + ":" + echoes}, "unix", socket, nothing})
	options := []string{"-o", "TunneldEcho=off", "-o", "StreamLocalBindUnlink=yes"} // SIGQUIT leaves the socket behind
	fresh := l.open(tunneld, ways, options...)
	before := goroutines(t, fresh)

	c := l.open(tunneld, ways, options...)
	warm(t, ways, 200)
	files, kinds := settled(c)
	memory := statusValue(t, c.pid(), "VmRSS")
	warm(t, ways, 10_000)
	if !within(patience, func() bool { n, _ := descriptors(c.pid()); return n <= files }) {
		n, now := descriptors(c.pid())
		t.Errorf("%d descriptors afterwards, %d before: %v, before %v", n, files, now, kinds)
	}
	if grown := statusValue(t, c.pid(), "VmRSS") - memory; grown > 16<<10 && !raceEnabled {
		t.Errorf("%d KiB more memory afterwards", grown)
	}
	before.compare(t, c)
}

// warm opens, uses and closes count connections, 50 at a time; every tenth is reset by its client.
func warm(t *testing.T, ways []route, count int) {
	t.Helper()
	failures := make(chan error, count)
	numbers := make(chan int)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for i := range numbers {
				conn, err := ways[i%len(ways)].dial()
				if err == nil {
					err = exchange(conn, "hello", patience)
					if tcp, ok := conn.(*net.TCPConn); ok && i%10 == 0 {
						tcp.SetLinger(0)
					}
					conn.Close()
				}
				if err != nil {
					failures <- err
				}
			}
		})
	}
	for i := range count {
		numbers <- i
	}
	close(numbers)
	all.Wait()
	close(failures)
	summarize(t, failures)
}

// A target that never answers gets half of the opens that a session may have unanswered. Others are served beside it,
// through the same listener too.
func TestFloodTowardsASilentTarget(t *testing.T) {
	t.Parallel()
	manyFiles(t)
	n := newNetwork(t)
	n.in(n.server, "ip", "route", "add", "10.98.0.0/16", "dev", n.link) // nobody there answers
	n.in(n.server, "sysctl", "-qw", "net.ipv4.tcp_syn_retries=6", "net.ipv4.neigh."+n.link+".mcast_solicit=1000")
	server := n.startSSHD()
	a := newAccount(t)
	server.authorize(a.key)
	a.trust(fmt.Sprintf("%s:%d", n.address, server.port), server.hostKey)
	a.host(alias, server.port, "HostName "+n.address)
	far := n.listen()
	startTargetOn(t, far, echo)
	l := &lab{t: t, server: server, account: a, prefix: []string{"ip", "netns", "exec", n.client}}
	good := route{"L", []string{"-L", "127.0.0.1:4001:" + far.Addr().String()}, "tcp", "127.0.0.1:4001", nothing}
	proxy := route{"D", []string{"-D", "127.0.0.1:4002"}, "tcp", "127.0.0.1:4002", socks5(far.Addr().String())}
	c := l.start(tunneld, append(good.flags, proxy.flags...)...)
	waitUp(t, c, 0)
	const silent = "10.98.0.1:9"
	var flood []net.Conn
	defer func() {
		for _, conn := range flood {
			conn.Close()
		}
	}()
	ended := 0
	n.inside(n.client, func() {
		for range 3000 {
			conn, err := net.DialTimeout("tcp", proxy.address, patience)
			if err != nil {
				t.Error(err)
				return
			}
			flood = append(flood, conn)
			io.WriteString(conn, "\x05\x01\x00\x05\x01\x00\x01\x0a\x62\x00\x01\x00\x09")
		}
	})
	c.waitLine(t, 0, patience, "that there are too many", said("connections refused"))
	for _, conn := range flood[2900:] {
		if readToEnd(conn, patience) == nil {
			ended++
		}
	}
	if ended == 0 {
		t.Errorf("none of 3,000 connections towards %s was refused", silent)
	}
	n.inside(n.client, func() {
		for _, r := range []route{good, proxy} {
			if err := r.works(patience); err != nil {
				t.Errorf("%s beside the flood: %v", r.name, err)
			}
		}
	})
}

// Out of descriptors, new connections wait or fail; open ones go on, and all is well when there are descriptors again.
func TestRunsOutOfDescriptors(t *testing.T) {
	t.Parallel()
	need(t, "prlimit")
	l := newLab(t)
	l.prefix = []string{"prlimit", "--nofile=60:60"}
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r})
	open := r.connect(t)
	check(t, exchange(open, "before", patience))
	var crowd []net.Conn
	for range 100 {
		conn, err := net.DialTimeout("tcp", r.address, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		crowd = append(crowd, conn)
	}
	c.waitLine(t, 0, patience, "that nothing more can be accepted", said("no more connections can be accepted, trying on", "connections wait for others to end"))
	check(t, exchange(open, "meanwhile", patience))
	for _, conn := range crowd {
		conn.Close()
	}
	check(t, untilDone(func() error { return r.works(time.Second) }))
	check(t, exchange(open, "afterwards", patience))
	if c.signal(syscall.Signal(0)); !c.running() {
		t.Error("tunneld has ended")
	}
}

// proxychains intercepts a program's calls, and speaks each protocol in its own way.
func TestProxychainsThroughADynamicForward(t *testing.T) {
	t.Parallel()
	need(t, "proxychains4", "curl")
	l := newLab(t)
	site, page := startSite(t)
	way := dynamicRoute(t, site)
	l.open(tunneld, []route{way})
	_, port, _ := net.SplitHostPort(way.address)
	used := l.account.status(alias).Tunnels[0].Forwards[0].Total
	for _, protocol := range []string{"socks5", "socks4", "http"} {
		t.Run(protocol, func(t *testing.T) {
			file := t.TempDir() + "/proxychains.conf"
			writeFile(t, file, "strict_chain\nquiet_mode\n[ProxyList]\n"+protocol+" 127.0.0.1 "+port+"\n")
			out, err := exec.Command("proxychains4", "-q", "-f", file, "curl", "--silent", "--show-error", "--max-time", "20",
				"--noproxy", "*", "http://"+site).Output()
			if string(out) != page {
				t.Errorf("curl gave %q, %v; want %q", out, err, page)
			}
			if total := l.account.status(alias).Tunnels[0].Forwards[0].Total; total <= used {
				t.Errorf("%d connections through the proxy, as before", total)
			} else {
				used = total
			}
		})
	}
}
