package integration

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// Every kind of forward, listening on every kind of address, towards every kind of target, with ssh on the same command
// line beside tunneld: what one carries the other carries, what one refuses the other refuses.

// matrixSize is what each way carries in both directions at once. ssh shows that a test is right; that takes less.
var matrixSize = map[program]int64{openSSH: 256 << 10, tunneld: 64 << 20}

func TestEveryForwardOverEveryNetwork(t *testing.T) {
	for _, p := range carriers {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l, ways := openMatrix(t, p)
			for _, w := range ways {
				t.Run(w.name, func(t *testing.T) {
					size := int64(256 << 10)
					if w.full {
						size = matrixSize[p]
					}
					check(t, echoTransfer(w.ask(t, "echo"), 1, size))
					w.clientEndsFirst(t)
					w.targetEndsFirst(t)
					w.clientAborts(t)
					w.targetAborts(t)
					w.refused(t)
					check(t, exchange(w.ask(t, "echo"), "all is well", patience))
				})
			}
			if p == tunneld { // ssh ends with its connection
				l.cutMidTransfer(t, ways)
			}
		})
	}
}

// way is a forward to a script server, and one to where nobody listens.
type way struct {
	route
	nobody route
	remote bool // clients are at the server
	full   bool // carries all of matrixSize
	target *scripts
}

// openMatrix runs a program with all forwards at once.
func openMatrix(t *testing.T, p program) (*lab, []way) {
	t.Helper()
	l := newLab(t)
	var ways []way
	var flags []string
	targets := make(map[string]*scripts)
	for _, network := range families {
		targets[network] = startScripts(t, network)
	}
	for _, listen := range families {
		for _, to := range families {
			for _, kind := range []string{"L", "R", "D", "R dynamic"} {
				w, ok := newWay(t, kind, listen, to, targets[to])
				if !ok || p == openSSH && kind == "R dynamic" && listen == "unix" { // ssh listens there and refuses everybody
					continue
				}
				w.full = listen == to || listen == "unix" && to == "IPv4"
				ways = append(ways, w)
				flags = append(flags, append(w.flags, w.nobody.flags...)...)
			}
		}
	}
	var all []route
	for _, w := range ways {
		all = append(all, route{w.name, nil, w.network, w.address, w.agree})
	}
	l.open(p, all, flags...)
	return l, ways
}

// families are the kinds of addresses.
var families = []string{"IPv4", "IPv6", "unix"}

// freshAddress gives an address that is free, as -L and -R take it and as net.Dial does.
func freshAddress(t *testing.T, network string) (dialed, address string) {
	switch network {
	case "unix":
		return "unix", t.TempDir() + "/s"
	case "IPv6":
		return "tcp", fmt.Sprintf("[::1]:%d", freePort(t))
	}
	return "tcp", loopback(freePort(t))
}

// newWay describes a forward; not ok where the kind does not go there: proxies know no Unix sockets.
func newWay(t *testing.T, kind, listen, to string, target *scripts) (way, bool) {
	name := fmt.Sprintf("%s %s to %s", kind, listen, to)
	_, nobody := freshAddress(t, to)
	option, dynamic := "-"+kind[:1], kind != "L" && kind != "R"
	if dynamic && to == "unix" {
		return way{}, false
	}
	leading := func(target string) route {
		network, address := freshAddress(t, listen)
		if dynamic {
			return route{name, []string{option, address}, network, address, socks5(target)}
		}
		return route{name, []string{option, address + ":" + target}, network, address, nothing}
	}
	w := way{route: leading(target.address), remote: option == "-R", target: target}
	if dynamic {
		w.nobody = route{name, nil, w.network, w.address, socks5(nobody)}
	} else {
		w.nobody = leading(nobody)
	}
	return w, true
}

// ask opens a connection and sends the name of a script.
func (w way) ask(t *testing.T, script string) net.Conn {
	t.Helper()
	conn := w.connect(t)
	conn.SetDeadline(time.Now().Add(3 * patience))
	if _, err := io.WriteString(conn, script+"\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}

func (w way) clientEndsFirst(t *testing.T) {
	t.Helper()
	conn := w.ask(t, "answer")
	if _, err := io.Copy(conn, stream(1, 100_000)); err != nil {
		t.Fatal(err)
	}
	check(t, closeWrite(conn))
	answer, err := io.ReadAll(conn)
	if want := "heard 100000 bytes, <nil>"; string(answer) != want || err != nil {
		t.Errorf("the answer after our end was %q, %v; want %q", answer, err, want)
	}
}

func (w way) targetEndsFirst(t *testing.T) {
	t.Helper()
	told := w.target.expect()
	conn := w.ask(t, "hush "+told.id)
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
		t.Fatalf("read %d bytes, %v; want the end at once", len(got), err)
	}
	if _, err := io.Copy(conn, stream(1, 100_000)); err != nil {
		t.Fatalf("sending after the target's end: %v", err)
	}
	check(t, closeWrite(conn))
	if got := receive(t, told.ended); got.bytes != 100_000 || got.err != nil {
		t.Errorf("after its end the target heard %d bytes, %v", got.bytes, got.err)
	}
}

// clientAborts shows that a client's reset ends the target's connection, too.
func (w way) clientAborts(t *testing.T) {
	t.Helper()
	told := w.target.expect()
	conn := w.ask(t, "drain "+told.id)
	if _, err := io.ReadFull(conn, make([]byte, len(ready))); err != nil {
		t.Fatal(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
	receive(t, told.ended)
}

// targetAborts shows that a target's reset ends the client's connection. How, is up to the server.
func (w way) targetAborts(t *testing.T) {
	t.Helper()
	conn := w.ask(t, "abort")
	var timeout net.Error
	if err := readToEnd(conn, patience); errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the client waits for a target that has reset the connection")
	}
}

func (w way) refused(t *testing.T) {
	t.Helper()
	conn, err := w.nobody.dial()
	if err != nil {
		return // refused by the proxy's answer, or before it
	}
	defer conn.Close()
	if err := readToEnd(conn, patience); err != nil && !wasReset(err) {
		t.Errorf("a refused target: %v; want the end or a reset", err)
	}
}

// cutMidTransfer breaks the SSH connection while every way carries bytes. Our side must see a reset: after a clean end
// what was cut off would look complete. The other side's sockets are sshd's.
func (l *lab) cutMidTransfer(t *testing.T, ways []way) {
	t.Helper()
	type watch struct {
		name  string
		ended func() error
	}
	var watches []watch
	for _, w := range ways {
		if w.remote {
			told := w.target.expect()
			conn := w.ask(t, "drain "+told.id)
			if _, err := io.ReadFull(conn, make([]byte, len(ready))); err != nil {
				t.Fatal(err)
			}
			go io.Copy(conn, stream(1, 1<<40))
			watches = append(watches, watch{"the target of " + w.name, func() error { return receive(t, told.ended).err }})
			continue
		}
		conn := w.ask(t, "pour")
		if _, err := io.CopyN(io.Discard, conn, 64<<10); err != nil {
			t.Fatal(err)
		}
		watches = append(watches, watch{"the client of " + w.name, func() error { return readToEnd(conn, patience) }})
	}
	l.relay.cut()
	for _, watch := range watches {
		expectReset(t, watch.name, watch.ended())
	}
}
