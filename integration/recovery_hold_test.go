package integration

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// Who came first during an outage is served first after it.
func TestHeldConnectionsAreServedInOrder(t *testing.T) {
	t.Parallel()
	const count = 300
	l := newLab(t)
	var mu sync.Mutex
	arrived := make(map[*net.TCPConn]int) // at the target: the place in the order of accepting
	order := make([]int, 2*count)         // what each said that it is, by place; -1: it said nothing
	target := startTarget(t, func(c *net.TCPConn) {
		var number [2]byte
		_, err := io.ReadFull(c, number[:])
		mu.Lock()
		defer mu.Unlock()
		if order[arrived[c]] = int(binary.BigEndian.Uint16(number[:])); err != nil {
			order[arrived[c]] = -1
		}
		c.Write(number[:])
	})
	target.arrives = func(c *net.TCPConn) {
		mu.Lock()
		defer mu.Unlock()
		arrived[c] = len(arrived)
	}
	r := localRoute(t, target.address())
	c := l.open(tunneld, []route{r}, hasty...)
	from := c.mark()
	l.server.kill()
	waitLost(t, c, from, patience)
	var held []net.Conn
	for i := range count {
		conn := r.connect(t)
		conn.Write(binary.BigEndian.AppendUint16(nil, uint16(i)))
		held = append(held, conn)
	}
	l.server.start()
	for _, conn := range held {
		if _, err := io.ReadFull(conn, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	order = slices.DeleteFunc(order[:len(arrived)], func(number int) bool { return number < 0 })
	if len(order) != count || !slices.IsSorted(order) {
		t.Errorf("served in the order %v", order)
	}
}
