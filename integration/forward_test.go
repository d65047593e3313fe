package integration

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// carriers are the programs whose forwards must carry alike; ssh stands beside ours to show that a test is right.
var carriers = []program{openSSH, tunneld}

func TestForwardsCarry64MiBBothWays(t *testing.T) {
	for _, p := range carriers {
		size := matrixSize[p]
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			server, echoes := startTarget(t, transfers), startTarget(t, echo)
			direct, echoed := routes(t, server.address()), routes(t, echoes.address())
			l.open(p, append(direct, echoed...))
			for i, r := range direct {
				t.Run(r.name+" upload", func(t *testing.T) {
					check(t, transfer(r.connect(t), upload, 1, size))
				})
				t.Run(r.name+" download", func(t *testing.T) {
					check(t, transfer(r.connect(t), download, 2, size))
				})
				t.Run(r.name+" both at once", func(t *testing.T) {
					check(t, echoTransfer(echoed[i].connect(t), 3, size))
				})
			}
		})
	}
}

func TestForwardsCarry100ConnectionsAtOnce(t *testing.T) {
	for _, p := range carriers {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			ways := routes(t, startTarget(t, echo).address())
			l.open(p, ways)
			for _, r := range ways {
				t.Run(r.name, func(t *testing.T) { manyAtOnce(t, r, 100, 256<<10) })
			}
		})
	}
}

// manyAtOnce opens count connections, and sends nothing before all of them are open.
func manyAtOnce(t *testing.T, r route, count int, size int64) {
	var open, finished sync.WaitGroup
	failures := make(chan error, count)
	open.Add(count)
	for i := range count {
		finished.Go(func() {
			conn, err := r.dial()
			open.Done()
			if err != nil {
				failures <- err
				return
			}
			defer conn.Close()
			open.Wait()
			if err := echoTransfer(conn, uint64(i), size); err != nil {
				failures <- fmt.Errorf("connection %d: %w", i, err)
			}
		})
	}
	finished.Wait()
	close(failures)
	summarize(t, failures)
}

func TestHalfCloseIsPassedOn(t *testing.T) {
	for _, p := range carriers {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			heard := make(chan string, 100)
			listener := startTarget(t, func(c *net.TCPConn) { // reads to the end, then answers
				question, err := io.ReadAll(c)
				fmt.Fprintf(c, "heard %d bytes, %v", len(question), err)
			})
			silent := startTarget(t, func(c *net.TCPConn) { // says first that it has nothing to say, and listens
				c.CloseWrite()
				question, err := io.ReadAll(c)
				heard <- fmt.Sprintf("heard %d bytes, %v", len(question), err)
			})
			first, second := routes(t, listener.address()), routes(t, silent.address())
			l.open(p, append(first, second...))
			for i := range first {
				t.Run(first[i].name+" client first", func(t *testing.T) { clientClosesFirst(t, first[i]) })
				t.Run(first[i].name+" target first", func(t *testing.T) { targetClosesFirst(t, second[i], heard) })
			}
		})
	}
}

func clientClosesFirst(t *testing.T, r route) {
	conn := r.connect(t)
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.Copy(conn, stream(1, 100_000)); err != nil {
		t.Fatal(err)
	}
	check(t, closeWrite(conn))
	answer, err := io.ReadAll(conn)
	if want := "heard 100000 bytes, <nil>"; string(answer) != want || err != nil {
		t.Errorf("the answer after our end was %q, %v; want %q", answer, err, want)
	}
}

func targetClosesFirst(t *testing.T, r route, heard <-chan string) {
	conn := r.connect(t)
	conn.SetDeadline(time.Now().Add(patience))
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
		t.Fatalf("read %d bytes, %v; want the end at once", len(got), err)
	}
	if _, err := io.Copy(conn, stream(1, 100_000)); err != nil {
		t.Fatalf("sending after the target's end: %v", err)
	}
	check(t, closeWrite(conn))
	for {
		select {
		case got := <-heard:
			if got == "heard 100000 bytes, <nil>" {
				return
			}
		case <-time.After(patience):
			t.Fatal("the target did not hear what was sent after its end")
		}
	}
}

func TestRefusedTargetEndsThatConnectionOnly(t *testing.T) {
	for _, p := range carriers {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			nobody := loopback(freePort(t))
			good, bad := routes(t, startTarget(t, echo).address()), routes(t, nobody)
			all := append(good, bad[0], bad[1])
			l.open(p, all)
			open := good[0].connect(t)
			for _, r := range bad[:2] {
				if err := readToEnd(r.connect(t), patience); err != nil && !wasReset(err) {
					t.Errorf("%s to a refused target: %v; want the end or a reset", r.name, err)
				}
			}
			switch _, err := good[2].towards(socks5(nobody)).dial(); {
			case err == nil:
				t.Error("SOCKS5 to a refused target succeeded")
			case p == tunneld && err != proxyError(5): // ssh hangs up without a reply
				t.Errorf("SOCKS5 to a refused target: %v; want reply 5, connection refused", err)
			}
			check(t, exchange(open, "still there", patience))
			for _, r := range good {
				check(t, r.works(patience))
			}
		})
	}
}
