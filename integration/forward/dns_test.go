package forward

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/tunneld/tunneld/integration/lab"
)

// nameServer answers DNS over TCP alone (RFC 7766): every name has a text that says who answers, and one that begins with "large"
// has many.
func nameServer(t testing.TB, who string) string {
	return lab.StartTarget(t, func(c *net.TCPConn) {
		for {
			query, err := readMessage(c)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(query) != nil || len(m.Questions) != 1 {
				return
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			texts := 1
			if strings.HasPrefix(m.Questions[0].Name.String(), "large") {
				texts = 200
			}
			for n := range texts {
				m.Answers = append(m.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.TXTResource{TXT: []string{fmt.Sprint(who, n)}},
				})
			}
			answer, err := m.Pack()
			if err != nil {
				return
			}
			if writeMessage(c, answer) != nil {
				return
			}
		}
	}).Address()
}

func readMessage(c net.Conn) ([]byte, error) {
	var prefix [2]byte
	if _, err := io.ReadFull(c, prefix[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(prefix[:]))
	_, err := io.ReadFull(c, m)
	return m, err
}

func writeMessage(c net.Conn, m []byte) error {
	_, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
	return err
}

// ask asks once over a network, and returns the code of the answer and its first text.
func ask(network, address, name string, limit time.Duration) (code dnsmessage.RCode, text string, err error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	query := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}},
	}
	packed, err := query.Pack()
	if err != nil {
		return 0, "", err
	}
	var m dnsmessage.Message
	if network == "tcp" {
		if err = writeMessage(conn, packed); err == nil {
			packed, err = readMessage(conn)
		}
	} else if _, err = conn.Write(packed); err == nil {
		packed = make([]byte, 65535)
		var n int
		n, err = conn.Read(packed)
		packed = packed[:n]
	}
	if err != nil {
		return 0, "", err
	}
	if err = m.Unpack(packed); err != nil {
		return 0, "", err
	}
	if m.ID != query.ID {
		return 0, "", fmt.Errorf("the answer has the number %d", m.ID)
	}
	if len(m.Answers) > 0 {
		text = m.Answers[0].Body.(*dnsmessage.TXTResource).TXT[0]
	}
	return m.RCode, text, nil
}

// expectText asks until there is an answer, which has to be text.
func expectText(t *testing.T, network, address, text string) {
	t.Helper()
	var got string
	var last error
	if !lab.Within(lab.Patience, func() bool {
		var code dnsmessage.RCode
		if code, got, last = ask(network, address, "a.example.", lab.Patience); last == nil && code != dnsmessage.RCodeSuccess {
			last = fmt.Errorf("the answer is %v", code)
		}
		return last == nil
	}) || got != text {
		t.Fatalf("over %s: got %q, %v, want %q", network, got, last, text)
	}
}

// Whoever asks here gets the answers of the far end, over UDP and TCP, large ones too, after a cut as before; and the commands
// show it like a forward.
func TestDNS(t *testing.T) {
	t.Parallel()
	server, address := nameServer(t, "far"), lab.Loopback(lab.FreePort(t))
	l := lab.New(t, "TunneldDNS "+address+"="+server)
	l.Account.Expect(0, "TunneldDNS "+address+"="+server, "check", "-F", l.Account.Path("config"), lab.Alias)
	l.Account.Expect(0, `(?m)^tunnelddns `+address+"="+server+"$", "config", "-F", l.Account.Path("config"), lab.Alias)
	l.Account.Expect(0, `TunneldDNS +\[127.0.0.1\]:\d+ to \[127.0.0.1\]:\d+`, "explain", "-F", l.Account.Path("config"), lab.Alias)
	p := l.Open(lab.Tunneld, nil)
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network[:3], address)
	}}
	check := func() {
		t.Helper()
		expectText(t, "udp", address, "far0")
		expectText(t, "tcp", address, "far0")
		ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
		defer cancel()
		if texts, err := resolver.LookupTXT(ctx, "large.example."); len(texts) != 200 || err != nil {
			t.Errorf("a resolver got %d texts, %v", len(texts), err)
		}
	}
	check()
	if _, err := exec.LookPath("dig"); err == nil {
		host, port, _ := net.SplitHostPort(address)
		out, err := exec.CommandContext(t.Context(), "dig", "@"+host, "-p", port, "large.example", "TXT", "+short").CombinedOutput()
		if strings.Count(string(out), "far") != 200 || err != nil {
			t.Errorf("dig: %v\n%s", err, out)
		}
	}
	l.Account.Expect(0, "TunneldDNS "+address+"="+server, "list")
	l.Account.Expect(0, address+" "+address+"/udp", "status", lab.Alias)
	l.Account.Expect(0, "", "health")
	from := p.Mark()
	l.Relay.Cut()
	lab.WaitLost(t, p, from, lab.Patience)
	check()
	if n := len(p.Matching(func(line lab.Line) bool {
		return line.Field("level") == "WARN" && strings.Contains(line.Text, "example")
	})); n > 0 {
		t.Errorf("%d lines of the log say what was asked", n)
	}
}

// Without a server the question waits for the hold time, and then there is no answer; it says so, and at once where nobody is to
// wait. When the server is back, so are the answers.
func TestDNSInAnOutage(t *testing.T) {
	t.Parallel()
	server, address := nameServer(t, "far"), lab.Loopback(lab.FreePort(t))
	l := lab.New(t, "TunneldDNS "+address+"="+server, "TunneldHold 500ms", "TunneldBackoffMax 1s", "TunneldDrain 1h")
	p := l.Open(lab.Tunneld, nil)
	expectText(t, "udp", address, "far0")
	l.Relay.SetRefuse(true)
	from := p.Mark()
	l.Relay.Cut()
	lab.WaitLost(t, p, from, lab.Patience)
	if code, _, err := ask("udp", address, "a.example.", lab.Patience); err != nil || code != dnsmessage.RCodeServerFailure {
		t.Errorf("in the outage: %v, %v", code, err)
	}
	l.Relay.SetRefuse(false)
	expectText(t, "udp", address, "far0")
	l.Account.Expect(0, "", "down", lab.Alias) // which waits for nothing: nobody asks
	if code := p.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// within asks once, and wants the answer.
func within(network, address string) error {
	code, text, err := ask(network, address, "a.example.", lab.Patience)
	if err == nil && (code != dnsmessage.RCodeSuccess || text == "") {
		err = fmt.Errorf("the answer is %q, %v", text, code)
	}
	return err
}

// A planned replacement loses no question.
func TestDNSWhileTheConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	server, address := nameServer(t, "far"), lab.Loopback(lab.FreePort(t))
	l := lab.New(t, "TunneldDNS "+address+"="+server)
	l.Open(lab.Tunneld, nil)
	expectText(t, "udp", address, "far0")
	var over atomic.Bool
	asked := make(chan error)
	go func() {
		var err error
		for err == nil && !over.Load() {
			err = within("udp", address)
		}
		asked <- err
	}()
	for range 3 {
		l.Account.Expect(0, "", "reconnect", lab.Alias)
	}
	over.Store(true)
	lab.Check(t, <-asked)
}

// A reload adds it, leads it elsewhere, which counts from the next question on, and takes it away.
func TestDNSFollowsReload(t *testing.T) {
	t.Parallel()
	first, second, address := nameServer(t, "first"), nameServer(t, "second"), lab.Loopback(lab.FreePort(t))
	target := lab.StartTarget(t, lab.Echo).Address()
	echo := lab.LocalRoute(t, target)
	local := "LocalForward " + echo.Address + " " + target
	l := lab.New(t, local)
	l.Open(lab.Tunneld, nil)
	l.Options(local, "TunneldDNS "+address+"="+first)
	l.Account.Expect(0, "added TunneldDNS", "reload", lab.Alias)
	expectText(t, "udp", address, "first0")
	l.Options(local, "TunneldDNS "+address+"="+second)
	l.Account.Expect(0, "was to "+first, "reload", lab.Alias)
	expectText(t, "udp", address, "second0")
	l.Options(local)
	l.Account.Expect(0, "removed TunneldDNS", "reload", lab.Alias)
	if _, _, err := ask("udp", address, "a.example.", lab.Patience); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after it was taken away: %v", err)
	}
	lab.Check(t, echo.Works(lab.Patience))
}

// A port of UDP that somebody else has makes it fail like a port of TCP would, until it is free.
func TestDNSWaitsForItsPort(t *testing.T) {
	t.Parallel()
	other, err := net.ListenPacket("udp", lab.Loopback(lab.FreePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	server, address := nameServer(t, "far"), other.LocalAddr().String()
	l := lab.New(t, "TunneldDNS "+address+"="+server)
	l.Account.Expect(2, "another program has the port: `ss -tuanp", "check", "-F", l.Account.Path("config"), lab.Alias)
	l.Account.Host("second", l.Relay.Port, "DynamicForward "+lab.Loopback(lab.FreePort(t)), "TunneldDNS "+address+"="+server)
	l.Up(1, "second")
	l.Account.Expect(1, "failed", "health")
	other.Close()
	expectText(t, "udp", address, "far0")
	lab.Eventually(t, lab.Patience, "it is healthy", func() bool { _, code := l.Account.Ask("health"); return code == 0 })
}
