package dns

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// patience is for what happens at once, on a machine that is busy with something else.
const patience = 30 * time.Second

// lab is a listener, and whoever has the far ends of its streams.
type lab struct {
	*testing.T
	listener *Listener
	serving  sync.WaitGroup
}

// newLab serves each stream with serve, which closes it; the number of the stream begins at 0.
func newLab(t *testing.T, most limits, serve func(n int, far net.Conn)) *lab {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return newLabOf(t, newListener(conn, false, most), serve)
}

func newLabOf(t *testing.T, listener *Listener, serve func(n int, far net.Conn)) *lab {
	l := &lab{T: t, listener: listener}
	l.serving.Go(func() {
		for n := 0; ; n++ {
			far, err := l.listener.Accept()
			if err != nil {
				return
			}
			l.serving.Go(func() { serve(n, far) })
		}
	})
	t.Cleanup(func() {
		l.listener.Close()
		l.serving.Wait()
	})
	return l
}

// patient are the usual limits for a machine that is busy with something else, quick ones those under which lies do not take long.
func patient() limits { return within(2 * patience) }

func quick() limits { return within(time.Second) }

func within(query time.Duration) limits {
	most := usual
	most.query, most.fair = query, query/8
	return most
}

// eventually polls a condition.
func (l *lab) eventually(what string, condition func() bool) {
	l.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(end) {
			l.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// counts returns how many queries wait, how many streams take some, and how many are open.
func (l *lab) counts() (waiting, streams, open, bytes int) {
	l.listener.mu.Lock()
	defer l.listener.mu.Unlock()
	return len(l.listener.waiting), len(l.listener.streams), l.listener.open, l.listener.bytes
}

// client is somebody who asks.
type client struct {
	*testing.T
	conn *net.UDPConn
}

func (l *lab) client() *client {
	l.Helper()
	conn, err := net.DialUDP("udp4", nil, l.listener.Addr().(*net.UDPAddr))
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { conn.Close() })
	return &client{l.T, conn}
}

func (c *client) send(m []byte) {
	c.Helper()
	if _, err := c.conn.Write(m); err != nil {
		c.Fatal(err)
	}
}

// receive returns the next answer.
func (c *client) receive() dnsmessage.Message {
	c.Helper()
	m, err := c.within(patience)
	if err != nil {
		c.Fatal("no answer: ", err)
	}
	return m
}

func (c *client) within(limit time.Duration) (m dnsmessage.Message, err error) {
	buffer := make([]byte, maxMessage)
	c.conn.SetReadDeadline(time.Now().Add(limit))
	n, err := c.conn.Read(buffer)
	if err != nil {
		return m, err
	}
	return m, m.Unpack(buffer[:n])
}

// ask asks for a name and checks that the answer is about it.
func (c *client) ask(id uint16, name string) dnsmessage.Message {
	c.Helper()
	c.send(question(id, name, 0))
	m := c.receive()
	if m.ID != id || !m.Response || len(m.Questions) != 1 || m.Questions[0].Name.String() != name {
		c.Fatalf("asked %d for %s, got %d: %v", id, name, m.ID, m.Questions)
	}
	return m
}

// succeed asks until there is an answer.
func (c *client) succeed(id uint16, name string) {
	c.Helper()
	for end := time.Now().Add(patience); c.ask(id, name).RCode != dnsmessage.RCodeSuccess; id++ {
		if time.Now().After(end) {
			c.Fatalf("no answer about %s in %v", name, patience)
		}
	}
}

func (c *client) expect(m dnsmessage.Message, code dnsmessage.RCode) {
	c.Helper()
	if m.RCode != code {
		c.Errorf("got %v, want %v", m.RCode, code)
	}
}

// question returns a query; size is what who asks takes, 0: does not say.
func question(id uint16, name string, size int) []byte {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}},
	}
	if size > 0 {
		var h dnsmessage.ResourceHeader
		if h.SetEDNS0(size, dnsmessage.RCodeSuccess, true) != nil {
			return nil
		}
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	}
	packed, _ := m.Pack()
	return packed
}

// answerTo returns an answer of at least that many bytes.
func answerTo(query []byte, size int) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil {
		return nil
	}
	m.Response, m.Authoritative, m.RecursionAvailable, m.Additionals = true, true, true, nil
	for sum := 0; sum <= size; sum += 200 {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.TXTResource{TXT: []string{strings.Repeat("x", 200)}},
		})
	}
	packed, _ := m.Pack()
	return packed
}

// framed returns m behind its length.
func framed(m []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)
}

// next reads a query from the far end of a stream.
func next(far io.Reader) ([]byte, error) {
	var prefix [prefixSize]byte
	if _, err := io.ReadFull(far, prefix[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(prefix[:]))
	_, err := io.ReadFull(far, m)
	return m, err
}

// honest answers everything.
func honest(_ int, far net.Conn) {
	defer far.Close()
	for {
		far.(*stream).Await() // as who carries it does
		query, err := next(far)
		if err != nil {
			return
		}
		if _, err := far.Write(framed(answerTo(query, 0))); err != nil {
			return
		}
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
