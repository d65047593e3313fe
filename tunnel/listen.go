package tunnel

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// errDenied is the server's refusal to listen for us.
var errDenied = errors.New("the server refused to listen")

// remoteListen is one listener at the server, on one session.
type remoteListen struct {
	endpoint config.Endpoint // as we asked
	host     string          // as it stands in the messages
	accept   func(ctx context.Context, c arrival)

	known chan struct{} // closed when port is what the server chose, or when it refused
	port  uint32        // as the server listens; read after known
}

// listenTable maps what the server listens on for us to who takes its connections. The zero value is empty and ready.
type listenTable struct {
	mu      sync.Mutex // guards entries
	entries []*remoteListen
}

func (t *listenTable) add(l *remoteListen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries = append(t.entries, l)
}

func (t *listenTable) remove(l *remoteListen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries = slices.DeleteFunc(t.entries, func(other *remoteListen) bool { return other == l })
}

// matching returns the entries that satisfy match, and those whose port the server has not told yet.
func (t *listenTable) matching(match func(*remoteListen) bool) (found, unknown []*remoteListen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.entries {
		select {
		case <-l.known:
			if match(l) {
				found = append(found, l)
			}
		default:
			unknown = append(unknown, l)
		}
	}
	return found, unknown
}

// Payloads of RFC 4254 §7.1 and of OpenSSH PROTOCOL §2.4.
type (
	tcpipForward struct {
		Host string
		Port uint32
	}
	tcpipForwardReply    struct{ Port uint32 }
	streamLocalForward   struct{ Path string }
	forwardedStreamLocal struct {
		Path     string
		Reserved string
	}
)

// rfwdHost returns the bind address of a remote forward as OpenSSH sends it (channel_rfwd_bind_host): "localhost" where
// none was written, and the empty string for every interface.
func rfwdHost(e config.Endpoint) string {
	switch {
	case !e.HostSet:
		return "localhost"
	case e.Host == "*":
		return ""
	}
	return e.Host
}

// listen asks the server to listen and registers accept for its connections before the request is sent, because the first
// may arrive right behind the answer. It blocks until the server answers, the session ends or ctx is done. A refusal is
// errDenied.
func (s *Session) listen(ctx context.Context, e config.Endpoint, accept func(context.Context, arrival)) (*remoteListen, error) {
	l := &remoteListen{endpoint: e, host: rfwdHost(e), accept: accept, known: make(chan struct{})}
	name, payload := "tcpip-forward", ssh.Marshal(tcpipForward{l.host, uint32(e.Port)})
	if e.IsUnix() {
		name, payload = "streamlocal-forward@openssh.com", ssh.Marshal(streamLocalForward{e.Path})
	}
	if e.Port != 0 || e.IsUnix() {
		l.port = uint32(e.Port)
		close(l.known)
	}
	s.listens.add(l)
	result := s.send(name, payload)
	err := s.granted(ctx, l, result)
	if err == nil {
		return l, nil
	}
	s.listens.remove(l)
	if ctx.Err() != nil {
		s.run(func() { s.unlistenLate(l, result) })
	}
	return nil, err
}

// granted waits for the answer to a request to listen.
func (s *Session) granted(ctx context.Context, l *remoteListen, result <-chan requestResult) error {
	ok, reply, err := s.answer(ctx, result)
	if err == nil && !ok {
		err = errDenied
	}
	if l.port == 0 && !l.endpoint.IsUnix() {
		if err == nil {
			l.port, err = chosenPort(reply)
		}
		close(l.known)
	}
	return err
}

// unlistenLate cancels what the server grants when nobody waits for it any more.
func (s *Session) unlistenLate(l *remoteListen, result <-chan requestResult) {
	ok, reply, err := s.answer(context.Background(), result)
	if err != nil || !ok {
		return
	}
	if l.port == 0 && !l.endpoint.IsUnix() {
		if l.port, err = chosenPort(reply); err != nil {
			return
		}
	}
	if err := s.unlisten(context.Background(), l); err != nil {
		s.log.Debug("listener not given up", "err", err)
	}
}

// chosenPort reads the answer to a request for port 0 (RFC 4254 §7.1).
func chosenPort(reply []byte) (uint32, error) {
	var chosen tcpipForwardReply
	if err := ssh.Unmarshal(reply, &chosen); err != nil || chosen.Port == 0 || chosen.Port > 65535 {
		return 0, errors.New("the server did not say which port it chose")
	}
	return chosen.Port, nil
}

// unlistenTime bounds the wait for the answer to a cancellation.
const unlistenTime = 5 * time.Second

// unlisten cancels l, so that another session may have the port. Connections that were accepted go on.
func (s *Session) unlisten(ctx context.Context, l *remoteListen) error {
	select {
	case <-s.leaving: // no other listener will come, and what the server opened before it heard of this finds its forward
	default:
		defer s.listens.remove(l)
	}
	ctx, cancel := context.WithTimeout(ctx, unlistenTime)
	defer cancel()
	name, payload := "cancel-tcpip-forward", ssh.Marshal(tcpipForward{l.host, l.port})
	if l.endpoint.IsUnix() {
		name, payload = "cancel-streamlocal-forward@openssh.com", ssh.Marshal(streamLocalForward{l.endpoint.Path})
	}
	ok, _, err := s.request(ctx, name, payload)
	if err == nil && !ok {
		err = errDenied
	}
	return err
}
