package forward

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// carriers are the programs whose forwards must carry alike; ssh stands beside ours to show that a test is right.
var carriers = []lab.Program{lab.OpenSSH, lab.Tunneld}

func TestForwardsCarry64MiBBothWays(t *testing.T) {
	for _, p := range carriers {
		size := matrixSize[p]
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			server, echoes := lab.StartTarget(t, lab.Transfers), lab.StartTarget(t, lab.Echo)
			direct, echoed := lab.Routes(t, server.Address()), lab.Routes(t, echoes.Address())
			l.Open(p, append(direct, echoed...))
			for i, r := range direct {
				t.Run(r.Name+" upload", func(t *testing.T) {
					lab.Check(t, lab.Transfer(r.Connect(t), lab.Upload, 1, size))
				})
				t.Run(r.Name+" download", func(t *testing.T) {
					lab.Check(t, lab.Transfer(r.Connect(t), lab.Download, 2, size))
				})
				t.Run(r.Name+" both at once", func(t *testing.T) {
					lab.Check(t, lab.EchoTransfer(echoed[i].Connect(t), 3, size))
				})
			}
		})
	}
}

func TestForwardsCarry100ConnectionsAtOnce(t *testing.T) {
	for _, p := range carriers {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			ways := lab.Routes(t, lab.StartTarget(t, lab.Echo).Address())
			l.Open(p, ways)
			for _, r := range ways {
				t.Run(r.Name, func(t *testing.T) { manyAtOnce(t, r, 100, 256<<10) })
			}
		})
	}
}

// manyAtOnce opens count connections, and sends nothing before all of them are open.
func manyAtOnce(t *testing.T, r lab.Route, count int, size int64) {
	var open, finished sync.WaitGroup
	failures := make(chan error, count)
	open.Add(count)
	for i := range count {
		finished.Go(func() {
			conn, err := r.Dial()
			open.Done()
			if err != nil {
				failures <- err
				return
			}
			defer conn.Close()
			open.Wait()
			if err := lab.EchoTransfer(conn, uint64(i), size); err != nil {
				failures <- fmt.Errorf("connection %d: %w", i, err)
			}
		})
	}
	finished.Wait()
	close(failures)
	lab.Summarize(t, failures)
}

func TestHalfCloseIsPassedOn(t *testing.T) {
	for _, p := range carriers {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			heard := make(chan string, 100)
			listener := lab.StartTarget(t, func(c *net.TCPConn) { // reads to the end, then answers
				question, err := io.ReadAll(c)
				fmt.Fprintf(c, "heard %d bytes, %v", len(question), err)
			})
			silent := lab.StartTarget(t, func(c *net.TCPConn) { // says first that it has nothing to say, and listens
				c.CloseWrite()
				question, err := io.ReadAll(c)
				heard <- fmt.Sprintf("heard %d bytes, %v", len(question), err)
			})
			first, second := lab.Routes(t, listener.Address()), lab.Routes(t, silent.Address())
			l.Open(p, append(first, second...))
			for i := range first {
				t.Run(first[i].Name+" client first", func(t *testing.T) { clientClosesFirst(t, first[i]) })
				t.Run(first[i].Name+" target first", func(t *testing.T) { targetClosesFirst(t, second[i], heard) })
			}
		})
	}
}

func clientClosesFirst(t *testing.T, r lab.Route) {
	conn := r.Connect(t)
	conn.SetDeadline(time.Now().Add(lab.Patience))
	if _, err := io.Copy(conn, lab.Stream(1, 100_000)); err != nil {
		t.Fatal(err)
	}
	lab.Check(t, lab.CloseWrite(conn))
	answer, err := io.ReadAll(conn)
	if want := "heard 100000 bytes, <nil>"; string(answer) != want || err != nil {
		t.Errorf("the answer after our end was %q, %v; want %q", answer, err, want)
	}
}

func targetClosesFirst(t *testing.T, r lab.Route, heard <-chan string) {
	conn := r.Connect(t)
	conn.SetDeadline(time.Now().Add(lab.Patience))
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
		t.Fatalf("read %d bytes, %v; want the end at once", len(got), err)
	}
	if _, err := io.Copy(conn, lab.Stream(1, 100_000)); err != nil {
		t.Fatalf("sending after the target's end: %v", err)
	}
	lab.Check(t, lab.CloseWrite(conn))
	for {
		select {
		case got := <-heard:
			if got == "heard 100000 bytes, <nil>" {
				return
			}
		case <-time.After(lab.Patience):
			t.Fatal("the target did not hear what was sent after its end")
		}
	}
}

func TestRefusedTargetEndsThatConnectionOnly(t *testing.T) {
	for _, p := range carriers {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			nobody := lab.Loopback(lab.FreePort(t))
			good, bad := lab.Routes(t, lab.StartTarget(t, lab.Echo).Address()), lab.Routes(t, nobody)
			all := append(good, bad[0], bad[1])
			l.Open(p, all)
			open := good[0].Connect(t)
			for _, r := range bad[:2] {
				if err := lab.ReadToEnd(r.Connect(t), lab.Patience); err != nil && !lab.WasReset(err) {
					t.Errorf("%s to a refused target: %v; want the end or a reset", r.Name, err)
				}
			}
			switch _, err := good[2].Towards(lab.Socks5(nobody)).Dial(); {
			case err == nil:
				t.Error("SOCKS5 to a refused target succeeded")
			case p == lab.Tunneld && err != lab.ProxyError(5): // ssh hangs up without a reply
				t.Errorf("SOCKS5 to a refused target: %v; want reply 5, connection refused", err)
			}
			lab.Check(t, lab.Exchange(open, "still there", lab.Patience))
			for _, r := range good {
				lab.Check(t, r.Works(lab.Patience))
			}
		})
	}
}
