package forward

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
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
	l := lab.New(t)
	echoes := lab.StartTarget(t, lab.Echo).Address()
	socket := t.TempDir() + "/s"
	ways := append(lab.Routes(t, echoes), lab.Route{Name: "L unix", Flags: []string{"-L", socket + ":" + echoes}, Network: "unix", Address: socket, Agree: lab.Nothing})
	options := []string{"-o", "TunneldEcho=off", "-o", "StreamLocalBindUnlink=yes"} // SIGABRT leaves the socket behind
	fresh := l.Open(lab.Tunneld, ways, options...)
	before := lab.Goroutines(t, fresh)

	c := l.Open(lab.Tunneld, ways, options...)
	warm(t, ways, 2_000) // until the heap has its size
	files, kinds := lab.Settled(c)
	memory := lab.StatusValue(t, c.Pid(), "VmRSS")
	warm(t, ways, 10_000)
	if !lab.Within(lab.Patience, func() bool { n, _ := lab.Descriptors(c.Pid()); return n <= files }) {
		n, now := lab.Descriptors(c.Pid())
		t.Errorf("%d descriptors afterwards, %d before: %v, before %v", n, files, now, kinds)
	}
	if grown := lab.StatusValue(t, c.Pid(), "VmRSS") - memory; grown > 16<<10 && !lab.RaceEnabled {
		t.Errorf("%d KiB more memory afterwards", grown)
	}
	before.Compare(t, c)
}

// warm opens, uses and closes count connections, 50 at a time; every tenth is reset by its client.
func warm(t *testing.T, ways []lab.Route, count int) {
	t.Helper()
	failures := make(chan error, count)
	numbers := make(chan int)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for i := range numbers {
				conn, err := ways[i%len(ways)].Dial()
				if err == nil {
					err = lab.Exchange(conn, "hello", lab.Patience)
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
	lab.Summarize(t, failures)
}

// A target that never answers gets half of the opens that a session may have unanswered. Others are served beside it,
// through the same listener too.
func TestFloodTowardsASilentTarget(t *testing.T) {
	t.Parallel()
	manyFiles(t)
	n := lab.NewNetwork(t)
	n.In(n.Server, "ip", "route", "add", "10.98.0.0/16", "dev", n.Link) // nobody there answers
	n.In(n.Server, "sysctl", "-qw", "net.ipv4.tcp_syn_retries=6", "net.ipv4.neigh."+n.Link+".mcast_solicit=1000")
	server := n.StartSSHD()
	a := lab.NewAccount(t)
	server.Authorize(a.Key)
	a.Trust(fmt.Sprintf("%s:%d", n.Address, server.Port), server.HostKey)
	a.Host(lab.Alias, server.Port, "HostName "+n.Address)
	far := n.Listen()
	lab.StartTargetOn(t, far, lab.Echo)
	l := &lab.Lab{T: t, Server: server, Account: a, Prefix: []string{"ip", "netns", "exec", n.Client}}
	good := lab.Route{Name: "L", Flags: []string{"-L", "127.0.0.1:4001:" + far.Addr().String()}, Network: "tcp", Address: "127.0.0.1:4001", Agree: lab.Nothing}
	proxy := lab.Route{Name: "D", Flags: []string{"-D", "127.0.0.1:4002"}, Network: "tcp", Address: "127.0.0.1:4002", Agree: lab.Socks5(far.Addr().String())}
	c := l.Start(lab.Tunneld, append(good.Flags, proxy.Flags...)...)
	lab.WaitUp(t, c, 0)
	const silent = "10.98.0.1:9"
	var flood []net.Conn
	defer func() {
		for _, conn := range flood {
			conn.Close()
		}
	}()
	ended := 0
	n.Inside(n.Client, func() {
		for range 3000 {
			conn, err := net.DialTimeout("tcp", proxy.Address, lab.Patience)
			if err != nil {
				t.Error(err)
				return
			}
			flood = append(flood, conn)
			io.WriteString(conn, "\x05\x01\x00\x05\x01\x00\x01\x0a\x62\x00\x01\x00\x09")
		}
	})
	c.WaitLine(t, 0, lab.Patience, "that there are too many", lab.Said("connections refused"))
	for _, conn := range flood[2900:] {
		if lab.ReadToEnd(conn, lab.Patience) == nil {
			ended++
		}
	}
	if ended == 0 {
		t.Errorf("none of 3,000 connections towards %s was refused", silent)
	}
	n.Inside(n.Client, func() {
		for _, r := range []lab.Route{good, proxy} {
			if err := r.Works(lab.Patience); err != nil {
				t.Errorf("%s beside the flood: %v", r.Name, err)
			}
		}
	})
}

// Out of descriptors, new connections wait or fail; open ones go on, and all is well when there are descriptors again.
func TestRunsOutOfDescriptors(t *testing.T) {
	t.Parallel()
	lab.Need(t, "prlimit")
	l := lab.New(t)
	l.Prefix = []string{"prlimit", "--nofile=60:60"}
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r})
	open := r.Connect(t)
	lab.Check(t, lab.Exchange(open, "before", lab.Patience))
	var crowd []net.Conn
	for range 100 {
		conn, err := net.DialTimeout("tcp", r.Address, lab.Patience)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		crowd = append(crowd, conn)
	}
	c.WaitLine(t, 0, lab.Patience, "that nothing more can be accepted", lab.Said("no more connections can be accepted, trying again", "connections wait for others to end"))
	lab.Check(t, lab.Exchange(open, "meanwhile", lab.Patience))
	for _, conn := range crowd {
		conn.Close()
	}
	lab.Check(t, untilDone(func() error { return r.Works(time.Second) }))
	lab.Check(t, lab.Exchange(open, "afterwards", lab.Patience))
	if c.Signal(syscall.Signal(0)); !c.Running() {
		t.Error("tunneld has ended")
	}
}

// proxychains intercepts a program's calls, and speaks each protocol in its own way.
func TestProxychainsThroughADynamicForward(t *testing.T) {
	t.Parallel()
	lab.Need(t, "proxychains4", "curl")
	l := lab.New(t)
	site, page := startSite(t)
	way := lab.DynamicRoute(t, site)
	l.Open(lab.Tunneld, []lab.Route{way})
	_, port, _ := net.SplitHostPort(way.Address)
	used := l.Account.Status(lab.Alias).Tunnels[0].Forwards[0].Total
	for _, protocol := range []string{"socks5", "socks4", "http"} {
		t.Run(protocol, func(t *testing.T) {
			file := t.TempDir() + "/proxychains.conf"
			lab.WriteFile(t, file, "strict_chain\nquiet_mode\n[ProxyList]\n"+protocol+" 127.0.0.1 "+port+"\n")
			out, err := exec.Command("proxychains4", "-q", "-f", file, "curl", "--silent", "--show-error", "--max-time", "20",
				"--noproxy", "*", "http://"+site).Output()
			if string(out) != page {
				t.Errorf("curl gave %q, %v; want %q", out, err, page)
			}
			if total := l.Account.Status(lab.Alias).Tunnels[0].Forwards[0].Total; total <= used {
				t.Errorf("%d connections through the proxy, as before", total)
			} else {
				used = total
			}
		})
	}
}
