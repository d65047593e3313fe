package tunnel

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshconn"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// A server that opens channels and reads no answer costs no goroutine for each, and not for ever.
func TestRefusalsThatNobodyReadsAreBounded(t *testing.T) {
	release := make(chan struct{})
	chans, reqs := make(chan ssh.NewChannel), make(chan *ssh.Request)
	w := sshconn.NewWire(idlePipe(t))
	s := newSession(t.Context(), &sshconn.Conn{Conn: stuckConn{release: release}, Wire: w, Chans: chans, Reqs: reqs}, config.Echo{}, quiet())
	before, most := runtime.NumGoroutine(), 0
	opened := 0
	for opened < 5*maxRejections && func() bool {
		select {
		case chans <- unreadRefusal{release}:
			return true
		case <-s.Done():
			return false
		}
	}() {
		opened++
		most = max(most, runtime.NumGoroutine())
	}
	if opened > 2*maxRejections {
		t.Errorf("the session ended after %d channels", opened)
	}
	if most-before > 100 {
		t.Errorf("%d goroutines for %d channels", most-before, opened)
	}
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "opens channels without end") {
		t.Errorf("the session ended with %v", err)
	}
	close(release)
	close(chans)
	close(reqs)
}

// As many connections as may wait for an answer can be refused at the same moment, for example when a target is found to be
// unreachable. That says nothing against the server.
func TestRefusalsOfAllThatWaitEndNoSession(t *testing.T) {
	p := newPeer(t)
	began := make(chan *ssh.ServerConn, 1)
	p.OnConn = func(c *ssh.ServerConn) { began <- c }
	s := p.session(config.Echo{})
	defer s.Close()
	arrived, refuse := make(chan struct{}), make(chan struct{})
	l, err := s.listen(t.Context(), anyPort(), func(_ context.Context, c arrival) {
		arrived <- struct{}{}
		<-refuse
		c.reject(ssh.ConnectionFailed, "no route to host")
	})
	if err != nil {
		t.Fatal(err)
	}
	server := <-began
	const many = maxForwarded / 2 // one listener gets no more
	var opens sync.WaitGroup
	for range many {
		opens.Go(func() {
			server.OpenChannel("forwarded-tcpip", sshconn.MarshalTCPOpen(l.host, l.port, "127.0.0.1", 1))
		})
	}
	for range many {
		<-arrived
	}
	close(refuse)
	opens.Wait()
	if err := s.Err(); err != nil {
		t.Errorf("the session ended: %v", err)
	}
}

// unreadRefusal is a channel whose refusal the server does not read.
type unreadRefusal struct{ release <-chan struct{} }

func (unreadRefusal) ChannelType() string                               { return "session" }
func (unreadRefusal) ExtraData() []byte                                 { return nil }
func (unreadRefusal) Accept() (ssh.Channel, <-chan *ssh.Request, error) { return nil, nil, nil }

func (c unreadRefusal) Reject(ssh.RejectionReason, string) error {
	<-c.release
	return nil
}

// What a server sends as stderr is read, and thrown away: kept, it would fill the window of each channel.
func TestStderrOfChannelsIsDiscarded(t *testing.T) {
	const size = 5 << 20 // more than the window
	p := newPeer(t)
	sent := make(chan int, 1)
	p.OnOpen = func(c ssh.NewChannel) {
		ch, requests, err := c.Accept()
		if err != nil {
			return
		}
		go ssh.DiscardRequests(requests)
		n, _ := ch.Stderr().Write(make([]byte, size))
		sent <- n
	}
	s := p.session(config.Echo{})
	defer s.Close()
	ch, err := s.open(t.Context(), "x", "direct-tcpip", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	select {
	case n := <-sent:
		if n != size {
			t.Errorf("%d of %d bytes were taken", n, size)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody reads it")
	}
}

// A channel that we have closed with data unread is forgotten as soon as the server has closed it, too.
func TestClosedChannelsAreForgotten(t *testing.T) {
	p := newPeer(t)
	channels := make(chan ssh.Channel, 1)
	p.OnOpen = func(c ssh.NewChannel) {
		ch, _, err := c.Accept()
		if err == nil {
			channels <- ch
		}
	}
	s := p.session(config.Echo{})
	defer s.Close()
	ch, err := s.open(t.Context(), "x", "direct-tcpip", nil)
	if err != nil {
		t.Fatal(err)
	}
	far := <-channels
	far.Write(make([]byte, 1000))
	ch.Close()
	sshtest.Eventually(t, "the session has nothing to close any more", func() bool { return s.closing.Load() == 0 && s.Open() == 0 })
}

// A server that never closes its channels cannot make us keep any number of them.
func TestChannelsThatTheServerNeverClosesAreBounded(t *testing.T) {
	p := newPeer(t)
	p.OnOpen = func(c ssh.NewChannel) { c.Accept() } // and no word more: its requests are not read, which is where CLOSE is seen
	s := p.session(config.Echo{})
	defer s.Close()
	s.closing.Store(maxClosing)
	ch, err := s.open(t.Context(), "x", "direct-tcpip", nil)
	if err != nil {
		t.Fatal(err)
	}
	ch.Close()
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Error("one more channel is kept")
	}
}

// The text of an SSH_MSG_CHANNEL_OPEN can be a quarter of a megabyte. None that we know needs it.
func TestEndlessOpenEndsTheSession(t *testing.T) {
	p := newPeer(t)
	began := make(chan *ssh.ServerConn, 1)
	p.OnConn = func(c *ssh.ServerConn) { began <- c }
	s := p.session(config.Echo{})
	defer s.Close()
	go (<-began).OpenChannel("forwarded-tcpip", make([]byte, 100<<10))
	select {
	case <-s.Done():
		if !strings.Contains(s.Err().Error(), "bytes of text") {
			t.Errorf("the session ended with %v", s.Err())
		}
	case <-time.After(10 * time.Second):
		t.Error("the session lives")
	}
}
