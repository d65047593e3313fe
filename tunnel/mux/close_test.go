//go:build unix

package mux

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// told returns what a client is told in place of what it has asked for, and checks that it is let go then.
func (s *stranger) told() string {
	f, err := readMessage(s.conn)
	if err != nil {
		return fmt.Sprintf("nothing: %v", err)
	}
	kind, _ := f.number()
	f.number()
	why, _ := f.text()
	switch {
	case kind != answerFailure:
		return fmt.Sprintf("%x", kind)
	case !s.closed():
		return why + ", and it goes on"
	}
	return why
}

// holdAll has everybody who asks for something of the tunnel wait.
func (f *fakeTunnel) holdAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold = make(chan struct{})
}

func (f *fakeTunnel) opened() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opens
}

// Who waits when the master ends is told why there is no session, and then let go: ssh -W takes silence for the end of what it
// carries.
func TestWhoWaitsIsToldOfTheEnd(t *testing.T) {
	const turns, waiting = 20, 8
	for range turns {
		f := newFake(t)
		m := newMaster(t, f)
		f.holdAll()
		p := newPipe(t)
		var all []*stranger
		for n := range waiting {
			s := greet(t, m)
			if n%2 == 0 {
				s.say(s.sessionMessage("cat", 0))
				s.pass(p.r, p.w, p.w)
			} else {
				s.say(s.stdioMessage("127.0.0.1", 22))
				s.pass(p.r, p.w)
			}
			all = append(all, s)
		}
		eventually(t, "they wait", func() bool { return f.opened() == waiting })
		m.Close()
		for i, s := range all {
			if why := s.told(); why != "tunneld: "+errEnding.Error() {
				t.Fatalf("client %d is told %q", i, why)
			}
		}
	}
}

// So is who waits for a forward, in ssh's own words for that.
func TestWhoWaitsForAForwardIsToldOfTheEnd(t *testing.T) {
	f := newFake(t)
	m := newMaster(t, f)
	f.holdAll()
	s := greet(t, m)
	s.say(s.forwardMessage(requestOpenForward, forwardRemote, "", 80, "db", 80))
	eventually(t, "it is there", func() bool { return m.Clients() == 1 })
	m.Close()
	if why := s.told(); why != "remote port forwarding failed for listen port 80" {
		t.Errorf("it is told %q", why)
	}
}

// A client that was let in and has not asked yet may do so, and is told.
func TestWhoIsAboutToAskIsToldOfTheEnd(t *testing.T) {
	times := usualTimes
	times.ask, times.answer = patience, patience
	m := newMasterWith(t, newFake(t), times)
	s := greet(t, m)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Close()
	}()
	eventually(t, "it has given up the socket", func() bool { return m.Path() == "" })
	if kind, _ := s.ask(s.request(requestAlive)); kind != answerAlive {
		t.Errorf("asked whether it lives it says %x", kind)
	}
	s.say(s.stdioMessage("127.0.0.1", 22))
	p := newPipe(t)
	s.pass(p.r, p.w)
	if why := s.told(); why != "tunneld: "+errEnding.Error() {
		t.Errorf("it is told %q", why)
	}
	<-ended
}

// One that asks for nothing does not hold up the end, nor does one that never reads what it is told.
func TestEndWaitsForNoClient(t *testing.T) {
	for name, client := range map[string]func(*testing.T, *fakeTunnel, *Master){
		"says nothing": func(t *testing.T, _ *fakeTunnel, m *Master) { visit(t, m) },
		"asks nothing": func(t *testing.T, _ *fakeTunnel, m *Master) { greet(t, m) },
		"asks for ever": func(t *testing.T, _ *fakeTunnel, m *Master) {
			s := greet(t, m)
			question := s.request(requestAlive).packet()
			go func() {
				for {
					if _, err := s.conn.Write(question); err != nil {
						return
					}
					if _, err := readMessage(s.conn); err != nil {
						return
					}
				}
			}()
		},
		"passes no files": func(t *testing.T, _ *fakeTunnel, m *Master) {
			s := greet(t, m)
			s.say(s.sessionMessage("cat", 0))
		},
		"waits and never reads": func(t *testing.T, f *fakeTunnel, m *Master) {
			f.holdAll()
			s := greet(t, m)
			s.say(s.sessionMessage("cat", 0))
			p := newPipe(t)
			s.pass(p.r, p.w, p.w)
			eventually(t, "it waits", func() bool { return f.opened() == 1 })
			s.deafen()
		},
		"never reads": func(t *testing.T, _ *fakeTunnel, m *Master) { greet(t, m).deafen() },
		"is a proxy": func(t *testing.T, _ *fakeTunnel, m *Master) {
			s := greet(t, m)
			s.say(s.request(requestProxy))
			s.receive()
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			times := usualTimes
			times.write, times.greet, times.answer = time.Hour, time.Hour, 500*time.Millisecond
			m := newMasterWith(t, f, times)
			client(t, f, m)
			eventually(t, "it is there", func() bool { return m.Clients() == 1 })
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				m.Close()
			}()
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("it has not ended")
			}
			eventually(t, "nothing is left", func() bool { return m.Clients() == 0 && f.taken() == 0 })
		})
	}
}

// deafen asks until there is no room for answers, of which none is read.
func (s *stranger) deafen() {
	s.t.Helper()
	question := s.request(requestAlive).packet()
	s.conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	for {
		if _, err := s.conn.Write(question); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				s.t.Fatal(err)
			}
			return
		}
	}
}

// A proxy client is refused its channel, and what runs beside it is cut and not closed.
func TestProxyClientIsToldOfTheEnd(t *testing.T) {
	f := newFake(t)
	m := newMaster(t, f)
	c := proxyClient(t, m)
	running, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := running.StdinPipe(); err != nil { // which does not end
		t.Fatal(err)
	}
	if err := running.Start("cat"); err != nil {
		t.Fatal(err)
	}
	f.holdAll()
	refused := make(chan error, 1)
	go func() {
		_, err := c.NewSession()
		refused <- err
	}()
	eventually(t, "it waits", func() bool { return f.opened() == 2 })
	m.Close()
	var why *ssh.OpenChannelError
	if err := <-refused; !errors.As(err, &why) || why.Message != errEnding.Error() {
		t.Errorf("the one that waits is told %v", err)
	}
	var missing *ssh.ExitMissingError
	if err := running.Wait(); !errors.As(err, &missing) {
		t.Errorf("the one that ran ends with %v", err)
	}
}
