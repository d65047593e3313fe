package tunnel

import (
	"context"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/hostkey"
)

type requestResult struct {
	ok      bool
	payload []byte
	err     error
}

// request sends a global request and waits for the answer, for the end of the session, or for ctx. The library has no
// time limit of its own and queues requests one behind the other.
func (s *Session) request(ctx context.Context, name string, payload []byte) (bool, []byte, error) {
	return s.answer(ctx, s.send(name, payload))
}

// send sends a global request that wants an answer, which will be in the channel unless the library loses it.
func (s *Session) send(name string, payload []byte) <-chan requestResult {
	result := make(chan requestResult, 1)
	s.ask(name, payload, func(r requestResult) { result <- r })
	return result
}

// ask is send for who would rather be called than wait. take must not block.
func (s *Session) ask(name string, payload []byte, take func(requestResult)) {
	s.run(func() {
		ok, reply, err := s.link.Conn.SendRequest(name, true, payload)
		if err == nil {
			s.proofs.answered.Store(true)
		}
		take(requestResult{ok, reply, err})
	})
}

// answer waits for the answer to a request, for the end of the session, or for ctx.
func (s *Session) answer(ctx context.Context, result <-chan requestResult) (bool, []byte, error) {
	select {
	case r := <-result:
		if r.err != nil {
			return false, nil, errSessionDown
		}
		return r.ok, r.payload, nil
	case <-s.done:
		return false, nil, errSessionDown
	case <-ctx.Done():
		return false, nil, context.Cause(ctx)
	}
}

// serveRequest answers a global request of the server. None is supported, which RFC 4254 §4 answers with a failure; that is
// also the answer to the server's own keepalives.
func (s *Session) serveRequest(ctx context.Context, r *ssh.Request) {
	if r.Type == hostkey.Announcement && !s.learned {
		s.learned = true // a server says so once; ssh listens to the first as well
		s.run(func() { s.link.Learn(ctx, r.Payload, s.request, s.log) })
	}
	if err := r.Reply(false, nil); err != nil {
		s.log.Debug("global request not answered", "request", foreign.Line(r.Type), "err", err)
	}
}
