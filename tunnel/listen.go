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

// maxForwarded bounds the connections of one session that the server has opened and we have not yet answered.
const maxForwarded = 4096

// errDenied is the server's refusal to listen for us.
var errDenied = errors.New("the server refused to listen")

// remoteListen is one listener at the server, on one session.
type remoteListen struct {
	endpoint config.Endpoint // as we asked
	host     string          // as it stands in the messages
	accept   func(ctx context.Context, s *Session, c ssh.NewChannel)

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

// matching gives the entries that satisfy match, and those whose port the server has not told yet.
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

// Payloads of RFC 4254 §7.1 and §7.2, and of OpenSSH PROTOCOL §2.4.
type (
	tcpipForward struct {
		Host string
		Port uint32
	}
	tcpipForwardReply  struct{ Port uint32 }
	streamLocalForward struct{ Path string }
	forwardedTCP       struct {
		Host           string
		Port           uint32
		OriginatorHost string
		OriginatorPort uint32
	}
	forwardedStreamLocal struct {
		Path     string
		Reserved string
	}
)

// rfwdHost gives the bind address of a remote forward as OpenSSH sends it (channel_rfwd_bind_host): "localhost" where
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
func (s *Session) listen(ctx context.Context, e config.Endpoint, accept func(context.Context, *Session, ssh.NewChannel)) (*remoteListen, error) {
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
		s.serving.Go(func() { s.unlistenLate(l, result) })
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

// arrival is a connection that the server opened. It has its place until it is answered.
type arrival struct {
	ssh.NewChannel
	answered func()
}

func (a arrival) Accept() (ssh.Channel, <-chan *ssh.Request, error) {
	defer a.answered()
	return a.NewChannel.Accept()
}

func (a arrival) Reject(reason ssh.RejectionReason, text string) error {
	defer a.answered()
	return a.NewChannel.Reject(reason, text)
}

// forwarded finds out for which listener the server opened c and hands it over.
func (s *Session) forwarded(ctx context.Context, c ssh.NewChannel) {
	s.channels.add()
	defer s.channels.done()
	listener := listenerName(c)
	if !s.arrived.take(listener) {
		c.Reject(ssh.ResourceShortage, "too many connections at once")
		return
	}
	c = arrival{c, sync.OnceFunc(func() { s.arrived.release(listener) })}
	l := s.listenerOf(ctx, c)
	if l == nil {
		c.Reject(ssh.Prohibited, "no such forward")
		return
	}
	l.accept(ctx, s, c)
}

// listenerOf matches by address and port, and by the port alone where that is unambiguous, since some servers answer with
// another spelling of the address. A connection to a port that may be one the server is about to tell waits for that.
func (s *Session) listenerOf(ctx context.Context, c ssh.NewChannel) *remoteListen {
	exact, loose, ok := matchers(c)
	if !ok {
		return nil
	}
	for {
		found, unknown := s.listens.matching(exact)
		if len(found) == 0 {
			if found, _ = s.listens.matching(loose); len(found) > 1 {
				found = nil
			}
		}
		if len(found) > 0 {
			return found[0]
		}
		if len(unknown) == 0 {
			return nil
		}
		select {
		case <-unknown[0].known:
		case <-ctx.Done():
			return nil
		}
	}
}

// listenerName tells listeners apart: address and port, or the path.
func listenerName(c ssh.NewChannel) string {
	var m struct {
		Address string
		Rest    []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(c.ExtraData(), &m) != nil {
		return ""
	}
	return m.Address + string(m.Rest[:min(len(m.Rest), 4)])
}

func matchers(c ssh.NewChannel) (exact, loose func(*remoteListen) bool, ok bool) {
	if c.ChannelType() == "forwarded-streamlocal@openssh.com" {
		var m forwardedStreamLocal
		if ssh.Unmarshal(c.ExtraData(), &m) != nil {
			return nil, nil, false
		}
		exact = func(l *remoteListen) bool { return l.endpoint.Path == m.Path && l.endpoint.IsUnix() }
		return exact, exact, true
	}
	var m forwardedTCP
	if ssh.Unmarshal(c.ExtraData(), &m) != nil {
		return nil, nil, false
	}
	loose = func(l *remoteListen) bool { return !l.endpoint.IsUnix() && l.port == m.Port }
	exact = func(l *remoteListen) bool { return loose(l) && l.host == m.Host }
	return exact, loose, true
}
