package master

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// Whatever ends the connection under a session, the session ends with 255, the socket stays, and who asks for a session
// meanwhile gets one.
func TestWhateverEndsTheConnection(t *testing.T) {
	for _, loss := range []struct {
		name      string
		end, mend func(*side)
	}{
		{"server killed", func(s *side) { s.Server.Kill() }, func(s *side) { s.Server.Start() }},
		{"sessions of the server killed", func(s *side) { s.Server.KillSessions() }, func(*side) {}},
		{"frozen", func(s *side) { s.Relay.Freeze() }, func(s *side) { s.Relay.Thaw() }},
		{"frozen towards the server", func(s *side) { s.Relay.Freeze(lab.ToServer) }, func(s *side) { s.Relay.Thaw() }},
		{"hung up", func(s *side) { s.Relay.HangUp() }, func(*side) {}},
	} {
		t.Run(loss.name, func(t *testing.T) {
			t.Parallel()
			s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "ServerAliveInterval 1", "ServerAliveCountMax 2", "TunneldBackoffMax 1s", "TunneldHold 1m")
			cmd, _, out := s.begin(t, "cat")
			mark := s.master.Mark()
			loss.end(s)
			held := make(chan answer, 1)
			go func() { held <- s.ssh(t, "input", lab.Alias, "cat; exit 3") }()
			if got, _ := io.ReadAll(out); len(got) > 0 {
				t.Errorf("the session says %q", got)
			}
			if code := exitCode(t, cmd); code != 255 {
				t.Errorf("the session ends with %d", code)
			}
			if !fileExists(s.socket) {
				t.Error("the socket has gone")
			}
			loss.mend(s)
			if a := <-held; a != (answer{out: "input", code: 3}) {
				t.Errorf("the session that was asked for meanwhile: %v", a)
			}
			lab.WaitUp(t, s.master, mark)
		})
	}
}

// What the server has said of a command's end does not make up for output that was cut off.
func TestCutAfterTheStatus(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "TunneldBackoffMax 1s")
	more := s.Account.Path("more")
	lab.WriteFile(t, more, "")
	t.Cleanup(func() { os.Remove(more) })
	for _, test := range []struct {
		name string
		cut  func()
	}{
		{"cut", s.Relay.Cut},
		{"damaged", func() {
			s.Relay.Damage(lab.ToClient)
			s.ssh(t, "", lab.Alias, "true") // whose answer is
		}},
	} {
		mark := s.master.Mark()
		cmd, _, _ := s.begin(t, "while [ -e "+more+" ]; do sleep 0.1; done & exit 0")
		s.must(t, "", s.words(lab.Alias, "true")...) // which ends after the status of the other has come
		test.cut()
		if code := exitCode(t, cmd); code != 255 {
			t.Errorf("%s: ended with %d", test.name, code)
		}
		lab.WaitUp(t, s.master, mark)
	}
}

// Sessions that are asked for while the connection is cut again and again either do what they should or end with 255. None
// looks complete and is not, and none dials by itself.
func TestSessionsAskedForWhileItIsCut(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "TunneldBackoffMax 1s", "TunneldHold 1m")
	input := strings.Repeat("0123456789abcdef", 20_000)
	var asking sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				switch a := s.ssh(t, input, lab.Alias, "cat; exit 3"); {
				case a.code == 3 && a.out == input && a.err == "", a.code == 255:
				default:
					t.Errorf("exit %d, %d bytes, %q", a.code, len(a.out), a.err)
				}
			}
		})
	}
	const cuts = 6
	for n := range cuts {
		lab.Within(time.Duration(n*15)*time.Millisecond, func() bool { return false }) // at one moment or another
		mark := s.master.Mark()
		s.Relay.Cut()
		lab.WaitUp(t, s.master, mark)
	}
	close(stop)
	asking.Wait()
	if count := s.Relay.Count(); count > cuts+1 {
		t.Errorf("%d connections for %d cuts", count, cuts)
	}
}

// A reload is not noticed by clients that connect at that moment, nor by those that are connected. One that changes the path
// moves the socket, and leaves those alone that came by the old one.
func TestReloadWhileClientsConnect(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	cmd, in, out := s.begin(t, "cat; exit 9")
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for i := range 4 {
		asking.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if a := s.ssh(t, "", lab.Alias, fmt.Sprintf("echo %d.%d", i, n)); a != (answer{out: fmt.Sprintf("%d.%d\n", i, n)}) {
					t.Errorf("%v", a)
				}
			}
		})
	}
	for range 8 {
		s.Account.Expect(0, "reloaded", "reload", lab.Alias)
	}
	close(stop)
	asking.Wait()
	if count := s.Relay.Count(); count != 1 {
		t.Errorf("%d connections", count)
	}
	moved := s.socket + "-moved"
	s.Options("ControlMaster auto", "ControlPath "+moved)
	s.Account.Expect(0, "reloaded", "reload", lab.Alias)
	lab.Eventually(t, lab.Patience, "the socket has moved", func() bool { return fileExists(moved) && !fileExists(s.socket) })
	s.must(t, "", s.words(lab.Alias, "true")...)
	fmt.Fprint(in, "still there")
	in.Close()
	got, _ := io.ReadAll(out)
	if code := exitCode(t, cmd); !bytes.Equal(got, []byte("still there")) || code != 9 {
		t.Errorf("the session of before: %q, exit %d", got, code)
	}
	if count := s.Relay.Count(); count != 1 {
		t.Errorf("%d connections", count)
	}
}
