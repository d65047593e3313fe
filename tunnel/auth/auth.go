package auth

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
)

// maxTries is how many authentication requests one attempt may make: at maxAuthClientTried (64, client_auth.go) x/crypto
// ends the attempt with an error of no type.
const maxTries = 63

// errRefused ends an attempt in which every method that the server allows has been tried.
var errRefused = errors.New("refused")

// ErrConnectionLost ends an attempt whose connection died: x/crypto keeps that to itself and asks for another method.
var ErrConnectionLost = errors.New("connection lost")

// Attempt is one attempt to log in to one server. It is used by one handshake at a time.
type Attempt struct {
	// OnPrompt is called with true when the attempt begins to wait for a person (passphrase, password, touch) and with false when
	// the wait is over; the dialer's deadline stands still in between. It may be nil.
	OnPrompt func(waiting bool)

	// Dead reports whether the connection under the handshake is gone: x/crypto does not tell AuthCallback, and nobody should be
	// asked for the sake of a dead connection. It may be nil.
	Dead func() bool

	// Known reports whether the host key is a known one, or a person vouched for it; nil means no. A stored password is sent to
	// no other server.
	Known func() bool

	// Unchecked returns what tells a server whose key was taken without a look from others, such as the key's fingerprint; empty where
	// Known is true. What a person has typed for it is sent to no other one. It may be nil, as it is where all are known.
	Unchecked func() string

	// Bind returns what an agent is told of the connection, whose session identifier it is given; nil: there is nothing. It may be nil.
	Bind func(session []byte) *Binding

	Destination bool // the server is where the tunnel leads, and no jump host on the way

	ctx         context.Context // of the attempt; x/crypto's callbacks carry none
	options     *config.Options
	credentials *Credentials
	log         *slog.Logger

	session  []byte           // identifier (RFC 4253 §7.2); nil before the key exchange
	agent    *agentConnection // nil: none, or not yet dialled
	agentErr error            // why the configured agent is of no use
	card     cardState        // of PKCS11Provider
	prepared bool             // keys are listed
	keys     []*candidate     // in the order in which they are offered next
	skipped  []string         // keys that are not offered, each with the reason
	failures []keyFailure     // identity files that are of no use
	offers   []*offer         // what x/crypto put before the server, in order
	current  *offer           // the key that was offered last; nil after other methods
	again    *offer           // is to be offered once more; nil: none
	asked    bool             // a person has answered the question for a passphrase

	response  *response // to the last try; nil: it was none whose reply can be told
	broke     bool      // the server has answered a try with something that makes no sense
	brokeLast bool      // the last one
	questions bool      // the last try was keyboard-interactive, and it was not us who ended it
	untold    bool      // the last try was so when it ended: what the server said to it shows in the library's error alone
	Dropped   bool      // the network ended the attempt

	began     bool            // the server has answered the first request
	allowed   []string        // methods that the server allows now
	partial   int             // methods that the server took and found not enough
	used      []string        // methods other than publickey that were tried, in order
	exhausted map[string]bool // methods with nothing left to try
	answering answering
	withheld  bool // a stored password was not sent, because the host is not known; it was said
}

// Begin prepares one attempt to log in to the server of o. Key files and the agent are read only when the server asks for a key.
// ctx ends the attempt; the caller closes the result. The error is that of ctx.
func (c *Credentials) Begin(ctx context.Context, o *config.Options, log *slog.Logger) (*Attempt, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &Attempt{ctx: ctx, options: o, credentials: c, log: log, exhausted: map[string]bool{}}, nil
}

// Configure makes cfg use this attempt.
func (a *Attempt) Configure(cfg *ssh.ClientConfig) {
	cfg.User = a.options.User
	cfg.Auth = nil
	cfg.AuthCallback = a.next
	cfg.BannerCallback = a.banner
}

// Close ends the conversations with the agent and the card.
func (a *Attempt) Close() {
	if a.agent != nil {
		a.agent.close()
	}
	if a.card.opened != nil {
		a.card.opened.Close()
	}
}

// next is ssh.ClientConfig's AuthCallback: it picks what to try after the server has refused something or wants more. Each call
// offers one key, because x/crypto abandons a method with the first signer that fails (client_auth.go, publicKeyCallback.auth).
func (a *Attempt) next(state *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	if err := a.ctx.Err(); err != nil {
		return nil, context.Cause(a.ctx)
	}
	if a.Dead != nil && a.Dead() {
		return nil, ErrConnectionLost
	}
	if state.Metadata != nil {
		a.session = state.Metadata.SessionID()
	}
	a.settle(state)
	if len(state.TriedMethods)+len(state.PartialSuccessMethods) > maxTries {
		return nil, a.over()
	}
	for _, method := range a.order() {
		if !slices.Contains(a.allowed, method) || a.exhausted[method] {
			continue
		}
		auth, err := a.try(method)
		if auth != nil || err != nil {
			return auth, err
		}
		a.exhausted[method] = true
	}
	return nil, a.over()
}

// settle notes how the last try ended.
func (a *Attempt) settle(state *ssh.ClientAuthContext) {
	more := len(state.PartialSuccessMethods) > a.partial
	a.brokeLast = a.senseless(state)
	a.untold = a.questions && !more
	a.broke = a.broke || a.brokeLast
	if a.began && !more {
		a.refusedLast()
	}
	if more {
		a.log.Debug("the server wants more", "taken", state.PartialSuccessMethods,
			"allowed", foreign.Line(strings.Join(state.AllowedMethods, ",")))
		a.startOver()
	}
	a.began = true
	a.partial = len(state.PartialSuccessMethods)
	a.allowed = state.AllowedMethods
	a.again = nil
	if a.current != nil && a.current.insist() {
		a.again = a.current
	}
	a.current, a.response, a.questions = nil, nil, false
	a.answering.given = nil
}

// refusedLast notes that the last try was refused, so that its key is not offered again from another source and its answers are
// not remembered.
func (a *Attempt) refusedLast() {
	if a.current != nil {
		a.current.refused = a.current.sent && a.current.err == nil
	}
	for _, key := range a.answering.given {
		if key == storedAnswer {
			a.answering.stored.refused = true
			continue
		}
		a.credentials.forget(key)
	}
}

// startOver makes all keys eligible again, as pubkey_reset of OpenSSH's sshconnect2.c after a partial success.
func (a *Attempt) startOver() {
	for _, key := range a.keys {
		key.tried = false
	}
	for _, offer := range a.offers {
		offer.settled = true
	}
	clear(a.exhausted)
}

// try returns the next try of method, or nil where it has none left.
func (a *Attempt) try(method string) (ssh.AuthMethod, error) {
	switch {
	case method == "publickey" && a.options.PubkeyAuthentication:
		return a.publicKey()
	case method == "password" && a.options.PasswordAuthentication:
		return a.password()
	case method == "keyboard-interactive" && a.options.KbdInteractiveAuthentication:
		return a.keyboardInteractive(), nil
	}
	return nil, nil
}

// banner logs what the server says before it lets anybody in (RFC 4252 §5.4).
func (a *Attempt) banner(message string) error {
	a.tell("banner of the server", message)
	return nil
}

// Detail returns what was tried last, which after a login is what succeeded: "publickey ~/.ssh/id ED25519 SHA256:…".
func (a *Attempt) Detail() string {
	switch {
	case !a.began:
		return "none"
	case a.current != nil:
		return "publickey " + a.current.candidate.String()
	case len(a.used) > 0:
		return a.used[len(a.used)-1]
	}
	return ""
}

// Method returns the name of the method that was tried last, which after a login is what succeeded.
func (a *Attempt) Method() string {
	method, _, _ := strings.Cut(a.Detail(), " ")
	return method
}

// CertExpiry returns the time when the first of the certificates that logged in expires; the zero time where none was used or none
// expires.
func (a *Attempt) CertExpiry() time.Time {
	var expiry time.Time
	for _, offer := range a.offers {
		certificate, ok := offer.candidate.public.(*ssh.Certificate)
		if !ok || !offer.sent || offer.refused || certificate.ValidBefore == ssh.CertTimeInfinity {
			continue
		}
		if end := certTime(certificate.ValidBefore); expiry.IsZero() || end.Before(expiry) {
			expiry = end
		}
	}
	return expiry
}
