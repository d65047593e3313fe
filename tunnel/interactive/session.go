package interactive

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
)

// session is one run.
type session struct {
	channel      Channel
	request      Request
	tty          *terminal // nil: Files.In is none
	in, out, err *descriptor

	ready   chan struct{} // closed when what the server sends may be written
	ended   chan struct{} // closed when the server has closed the channel and all that it sent is written
	running sync.WaitGroup
	look    chan struct{} // of one element: the size of the window may have changed
	size    size          // that the server knows
	pty     atomic.Bool   // the server gave a pseudo terminal

	mu     sync.Mutex // guards the following
	result Result
	told   bool // the server said how the command ended
}

func newSession(ch Channel, r Request, f Files, tty *terminal) (*session, error) {
	s := &session{
		channel: ch, request: r, tty: tty,
		ready: make(chan struct{}), ended: make(chan struct{}), look: make(chan struct{}, 1),
		result: Result{Status: StatusNone},
	}
	if r.NoInput {
		f.In = nil
	}
	for _, open := range []struct {
		name string
		to   **descriptor
		of   func() (*descriptor, error)
	}{
		{"input", &s.in, func() (*descriptor, error) { return inputOf(f.In) }},
		{"output", &s.out, func() (*descriptor, error) { return outputOf(f.Out) }},
		{"error", &s.err, func() (*descriptor, error) { return outputOf(f.Err) }},
	} {
		d, err := open.of()
		if err != nil {
			s.closeFiles()
			return nil, fmt.Errorf("standard %s cannot be used: %w", open.name, err)
		}
		*open.to = d
	}
	return s, nil
}

// run does everything but what end does.
func (s *session) run(ctx context.Context) (Result, error) {
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	s.receive()
	if err := s.begin(ctx); err != nil {
		return Result{Status: StatusNone}, err
	}
	if s.pty.Load() && s.request.Raw {
		s.tty.makeRaw()
	}
	close(s.ready)
	go s.sendInput(leave)
	if s.pty.Load() {
		go s.watchSize(ctx)
	}
	return s.wait(ctx)
}

// lostTime is how long, after the end of the connection, the files are given to take what had arrived before.
const lostTime = time.Second

// wait returns when the session is over, or has to be.
func (s *session) wait(ctx context.Context) (Result, error) {
	none := Result{Status: StatusNone}
	select {
	case <-s.ended:
		switch {
		case s.channel.Lives(ctx):
			return s.outcome()
		case ctx.Err() != nil:
			return none, context.Cause(ctx)
		}
		return none, lost(s.channel.Err())
	case <-s.channel.Lost():
		late := time.NewTimer(lostTime)
		defer late.Stop()
		select {
		case <-s.ended:
		case <-late.C:
		case <-ctx.Done():
		}
		return none, lost(s.channel.Err())
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

func (s *session) outcome() (Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.told {
		return s.result, ErrNoStatus
	}
	return s.result, nil
}

// end leaves everything as it was found. Nothing touches the files afterwards.
func (s *session) end() {
	s.in.close()
	s.tty.letGo()
	if s.pty.Load() && s.request.Host != "" {
		s.sayLast("Connection to " + foreign.Own(s.request.Host).String() + " closed.\r\n")
	}
	s.channel.Close() // only now: a connection that is to be replaced waits for this
	s.closeFiles()
}

func (s *session) closeFiles() {
	for _, d := range []*descriptor{s.in, s.out, s.err} {
		d.close()
	}
}

// say shows words of ours to the person at the terminal.
func (s *session) say(text string) { io.WriteString(s.err, text) }

// sayTime is how long the last words may take: whoever reads Files.Err may have stopped.
const sayTime = time.Second

// sayLast is say for the end, which nobody may hold up.
func (s *session) sayLast(text string) {
	late := time.AfterFunc(sayTime, s.err.interrupt)
	defer late.Stop()
	s.say(text)
}

// receive passes on what the server sends, until it closes the channel.
func (s *session) receive() {
	s.running.Go(func() { s.copyOut(s.out, s.channel, s.outputGone) })
	s.running.Go(func() { s.copyOut(s.err, s.channel.Stderr(), func() {}) })
	s.running.Go(s.serveRequests)
	go func() {
		s.running.Wait()
		close(s.ended)
	}()
}

// The sizes of the buffer through which a file is copied: one that is filled makes room for a larger one. Most sessions are
// short, and some are long.
const (
	firstBuffer = 8 << 10
	mostBuffer  = 128 << 10
)

// grown returns the buffer for the next read after one of n bytes.
func grown(buffer []byte, n int) []byte {
	if n < len(buffer) || len(buffer) >= mostBuffer {
		return buffer
	}
	return make([]byte, 4*len(buffer))
}

// copyOut copies to the end of from, as fast as to takes it. When to takes no more, the rest is read and dropped.
func (s *session) copyOut(to *descriptor, from io.Reader, gone func()) {
	buffer, broken := make([]byte, firstBuffer), false
	for n := 0; ; {
		buffer = grown(buffer, n)
		var err error
		n, err = from.Read(buffer)
		if n > 0 && !broken {
			if !s.awaitReady() {
				broken = true
			} else if _, werr := to.Write(buffer[:n]); werr != nil {
				broken = true
				gone()
			}
		}
		if err != nil {
			return
		}
	}
}

// awaitReady waits until output may be written; false: that will not be any more.
func (s *session) awaitReady() bool {
	select {
	case <-s.ready:
		return true
	case <-s.out.closed():
		return false
	}
}

// outputGone tells the server that nobody reads the output any more (OpenSSH PROTOCOL §2.1), so that the command gets a
// SIGPIPE and does not go on into the void.
func (s *session) outputGone() { s.channel.SendRequest("eow@openssh.com", false, nil) }

// serveRequests takes what the server says of the command (RFC 4254 §6.10), and answers the rest as ssh does.
func (s *session) serveRequests() {
	for r := range s.channel.Requests() {
		known := true
		switch r.Type {
		case "exit-status":
			s.exited(r.Payload)
		case "exit-signal":
			s.killed(r.Payload)
		case "eow@openssh.com":
			s.in.interrupt() // and does not wait: a request that is not read stops the whole connection
		default:
			known = false
		}
		if r.WantReply {
			r.Reply(known, nil)
		}
	}
}

func (s *session) exited(payload []byte) {
	var exit struct{ Status uint32 }
	if ssh.Unmarshal(payload, &exit) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result, s.told = Result{Status: int(exit.Status & 0xff)}, true // which is what a process can exit with
}

func (s *session) killed(payload []byte) {
	var exit struct {
		Signal   string
		Dumped   bool
		Text     string
		Language string
	}
	if ssh.Unmarshal(payload, &exit) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result, s.told = Result{Status: StatusNone, Signal: foreign.Line(exit.Signal)}, true
}
