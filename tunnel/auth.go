package tunnel

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// maxTries is how many authentication requests one attempt may make: at maxAuthClientTried (64, client_auth.go) x/crypto
// ends the attempt with an error of no type.
const maxTries = 63

// defaultPreferredAuthentications holds where PreferredAuthentications is not set, without the methods that tunneld can
// not do (readconf.c).
var defaultPreferredAuthentications = []string{"publickey", "keyboard-interactive", "password"}

// errRefused ends an attempt in which every method that the server allows has been tried.
var errRefused = errors.New("refused")

// errConnectionLost ends an attempt whose connection died: x/crypto keeps that to itself and asks for another method.
var errConnectionLost = errors.New("connection lost")

// Credentials is what a tunnel has learned about proving who it is: decrypted keys, passphrases and passwords. It lives as
// long as the Tunnel, so that only the first connection may need a person, and serves all its sessions and jump hosts.
// It is safe for concurrent use.
type Credentials struct {
	// Getenv looks up SSH_AUTH_SOCK and the $VAR of IdentityAgent, as os.LookupEnv. It may be set before first use; nil:
	// only an IdentityAgent that is a path is found.
	Getenv func(string) (string, bool)

	// PassphraseFile is read where a host has no TunneldPassphraseFile, for example systemd's credential "passphrase". It
	// may be set before first use; empty: none.
	PassphraseFile string

	ask    Asker
	log    *slog.Logger
	asking chan struct{} // held by the one who puts a question to a person

	mu      sync.Mutex           // guards all following fields
	keys    map[string]openedKey // keys that needed a passphrase, by path
	answers map[string]string    // passwords and answers to prompts, by user, server and prompt
	said    map[string]bool      // warnings that have been given and need no repeating
}

// NewCredentials makes an empty memory. ask may be nil: then nobody is asked.
func NewCredentials(ask Asker, log *slog.Logger) *Credentials {
	return &Credentials{
		ask:     ask,
		log:     log,
		asking:  make(chan struct{}, 1),
		keys:    map[string]openedKey{},
		answers: map[string]string{},
		said:    map[string]bool{},
	}
}

// opened gives the decrypted key of path unless its file changed since; nil: not known.
func (c *Credentials) opened(path string, info fs.FileInfo) ssh.Signer {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, ok := c.keys[path]
	if !ok || !key.modified.Equal(info.ModTime()) || key.size != info.Size() {
		return nil
	}
	return key.signer
}

// passphrase gives what last opened the key of path.
func (c *Credentials) passphrase(path string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, ok := c.keys[path]
	return key.passphrase, ok
}

// remember keeps the key of path, whose file is as info says, and gives it back.
func (c *Credentials) remember(path string, info fs.FileInfo, signer ssh.Signer, passphrase string) ssh.Signer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[path] = openedKey{signer: signer, passphrase: passphrase, modified: info.ModTime(), size: info.Size()}
	return signer
}

// firstTime tells whether what has not been said before.
func (c *Credentials) firstTime(what string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.said[what]
	c.said[what] = true
	return first
}

// authentication is one attempt to log in to one server. It is used by one handshake at a time.
type authentication struct {
	// onHuman is told when a person is waited for (passphrase, password, touch) and when that is over; the dialer's
	// deadline stands still in between. May be nil.
	onHuman func(waiting bool)

	// dead tells whether the connection under the handshake is gone. x/crypto does not pass that on to AuthCallback, and
	// nobody is to be asked for a dead connection's sake. May be nil.
	dead func() bool

	ctx         context.Context // of the attempt; x/crypto's callbacks carry none
	options     *config.Options
	credentials *Credentials
	log         *slog.Logger

	agent    *agentConnection // nil: none, or not yet dialled
	agentErr error            // why the configured agent is of no use
	prepared bool             // keys are listed
	keys     []*candidate     // in the order in which they are offered next
	skipped  []string         // keys that are not offered, each with the reason
	failures []keyFailure     // identity files that are of no use
	offers   []*offer         // what x/crypto put before the server, in order
	current  *offer           // the key that was offered last; nil after other methods

	began     bool            // the server has answered the first request
	allowed   []string        // methods that the server allows now
	partial   int             // methods that the server took and found not enough
	used      []string        // methods other than publickey that were tried, in order
	exhausted map[string]bool // methods with nothing left to try
	encrypted bool            // an identity file needs a passphrase, so the stored one is not sent as a password
	answering answering
}

// begin prepares one attempt to log in to the server of o. Its files and the agent are read when the server asks for a
// key. ctx ends the attempt; the caller closes the result.
func (c *Credentials) begin(ctx context.Context, o *config.Options, log *slog.Logger) (*authentication, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &authentication{ctx: ctx, options: o, credentials: c, log: log, exhausted: map[string]bool{}}, nil
}

// configure makes cfg use this attempt.
func (a *authentication) configure(cfg *ssh.ClientConfig) {
	cfg.User = a.options.User
	cfg.Auth = nil
	cfg.AuthCallback = a.next
	cfg.BannerCallback = a.banner
}

// close ends the conversation with the agent.
func (a *authentication) close() {
	if a.agent != nil {
		a.agent.close()
	}
}

// next is ssh.ClientConfig's AuthCallback: it picks what to try after the server refused or wanted more. One key per call
// and not all in one method, because x/crypto gives up on a method at the first signer that fails (client_auth.go,
// publicKeyCallback.auth).
func (a *authentication) next(state *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	if err := a.ctx.Err(); err != nil {
		return nil, context.Cause(a.ctx)
	}
	if a.dead != nil && a.dead() {
		return nil, errConnectionLost
	}
	a.settle(state)
	if len(state.TriedMethods)+len(state.PartialSuccessMethods) > maxTries {
		return nil, errRefused
	}
	for _, method := range a.preferred() {
		if !slices.Contains(a.allowed, method) || a.exhausted[method] {
			continue
		}
		auth, err := a.try(method)
		if auth != nil || err != nil {
			return auth, err
		}
		a.exhausted[method] = true
	}
	return nil, errRefused
}

// settle notes how the last try ended.
func (a *authentication) settle(state *ssh.ClientAuthContext) {
	more := len(state.PartialSuccessMethods) > a.partial
	if a.began && !more {
		a.refusedLast()
	}
	if more {
		a.log.Debug("the server wants more", "taken", state.PartialSuccessMethods, "allowed", state.AllowedMethods)
		a.startOver()
	}
	a.began = true
	a.partial = len(state.PartialSuccessMethods)
	a.allowed = state.AllowedMethods
	a.current = nil
	a.answering.fresh()
}

// refusedLast draws the conclusions from a refusal: a refused key is not offered from another source, and a refused
// answer is not remembered.
func (a *authentication) refusedLast() {
	if a.current != nil {
		a.current.refused = a.current.sent && a.current.err == nil
	}
	for _, key := range a.answering.given {
		a.credentials.forget(key)
	}
}

// startOver makes all keys eligible again, as pubkey_reset of OpenSSH's sshconnect2.c after a partial success.
func (a *authentication) startOver() {
	for _, key := range a.keys {
		key.tried = false
	}
	for _, offer := range a.offers {
		offer.settled = true
	}
	clear(a.exhausted)
}

// preferred gives the methods in the order in which they are to be tried.
func (a *authentication) preferred() []string {
	if a.options.PreferredAuthentications == nil {
		return defaultPreferredAuthentications
	}
	return a.options.PreferredAuthentications
}

// try gives the next try of method, or nil where it has none left.
func (a *authentication) try(method string) (ssh.AuthMethod, error) {
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

// banner logs what the server says before it lets anybody in (RFC 4252 §5.4): once, as it comes again with each reconnect.
func (a *authentication) banner(message string) error {
	text := strings.TrimSpace(printable(message))
	if text == "" {
		return nil
	}
	level := slog.LevelDebug
	if a.credentials.firstTime("banner " + a.options.Address() + text) {
		level = slog.LevelInfo
	}
	a.log.Log(a.ctx, level, "banner of the server", "text", text)
	return nil
}

// certExpiry gives the time from which on the certificates that logged in are no longer good; zero: never, or none was
// used.
func (a *authentication) certExpiry() time.Time {
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
