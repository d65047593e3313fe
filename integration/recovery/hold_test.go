package recovery

import (
	"encoding/binary"
	"github.com/tunneld/tunneld/integration/lab"
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
	l := lab.New(t)
	target, order := startQueue(t)
	r := lab.LocalRoute(t, target)
	c := l.Open(lab.Tunneld, []lab.Route{r}, lab.Hasty...)
	from := c.Mark()
	l.Server.Kill()
	lab.WaitLost(t, c, from, lab.Patience)
	var held []net.Conn
	for i := range count {
		conn := r.Connect(t)
		conn.Write(binary.BigEndian.AppendUint16(nil, uint16(i)))
		held = append(held, conn)
	}
	l.Server.Start()
	for _, conn := range held {
		if _, err := io.ReadFull(conn, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
	}
	if got := order(); len(got) != count || !slices.IsSorted(got) {
		t.Errorf("served in the order %v", got)
	}
}

// startQueue returns the address of a server whose clients say which number they have, and a function that ends it and returns
// the numbers in the order in which it accepted them. Who says nothing is left out.
func startQueue(t *testing.T) (address string, order func() []int) {
	t.Helper()
	l, err := net.Listen("tcp", lab.Loopback(0))
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var numbers []chan int
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			said := make(chan int, 1)
			numbers = append(numbers, said)
			serving.Go(func() {
				defer conn.Close()
				defer close(said)
				var number [2]byte
				if _, err := io.ReadFull(conn, number[:]); err == nil {
					said <- int(binary.BigEndian.Uint16(number[:]))
					conn.Write(number[:])
				}
			})
		}
	})
	end := sync.OnceFunc(func() { l.Close(); serving.Wait() })
	t.Cleanup(end)
	return l.Addr().String(), func() (list []int) {
		end()
		for _, said := range numbers {
			for number := range said {
				list = append(list, number)
			}
		}
		return list
	}
}
