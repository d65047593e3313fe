package auth

import (
	"crypto/sha256"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
)

// Credentials is what a tunnel remembers to prove who it is: decrypted keys, passphrases and passwords. It lives as long as the
// Tunnel, so that only the first connection may need a person, and serves all its sessions and jump hosts. It is safe for
// concurrent use.
type Credentials struct {
	// GivenPassphrase returns the path of a file with the passphrase for the keys of an alias that has no TunneldPassphraseFile,
	// for example a credential of systemd; empty: there is none. It must be set before first use, or stay nil.
	GivenPassphrase func(alias string) string

	// GivenPassword does the same for TunneldPasswordFile. destination is false for a jump host on the way. It must be set before
	// first use, or stay nil.
	GivenPassword func(alias string, destination bool) string

	ask    Asker
	log    *slog.Logger
	asking chan struct{} // held by the one who puts a question to a person

	mu      sync.Mutex                 // guards all following fields
	keys    map[string]openedKey       // keys that needed a passphrase, by path
	answers map[string]string          // passwords and answers to prompts, by user, server and prompt
	said    map[[sha256.Size]byte]bool // warnings that have been given and need no repeating
}

// NewCredentials returns Credentials that remember nothing yet. ask may be nil: then nobody is asked.
func NewCredentials(ask Asker, log *slog.Logger) *Credentials {
	return &Credentials{
		ask:     ask,
		log:     log,
		asking:  make(chan struct{}, 1),
		keys:    map[string]openedKey{},
		answers: map[string]string{},
		said:    map[[sha256.Size]byte]bool{},
	}
}

// opened returns the decrypted key of path unless its file changed since; nil: not known.
func (c *Credentials) opened(path string, info fs.FileInfo) privateHalf {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, ok := c.keys[path]
	if !ok || !key.modified.Equal(info.ModTime()) || key.size != info.Size() {
		return nil
	}
	return key.signer
}

// passphrase returns what last opened the key of path.
func (c *Credentials) passphrase(path string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, ok := c.keys[path]
	return key.passphrase, ok
}

// remember keeps the key of path, whose file is as info says, and returns it.
func (c *Credentials) remember(path string, info fs.FileInfo, signer privateHalf, passphrase string) privateHalf {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[path] = openedKey{signer: signer, passphrase: passphrase, modified: info.ModTime(), size: info.Size()}
	return signer
}

// maxSaid bounds what is remembered of warnings: a banner may be different each time.
const maxSaid = 1000

// firstTime reports whether what is said for the first time.
func (c *Credentials) firstTime(what string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.said) >= maxSaid {
		clear(c.said)
	}
	sum := sha256.Sum256([]byte(what)) // it may be long
	first := !c.said[sum]
	c.said[sum] = true
	return first
}

// answer returns what was remembered under key.
func (c *Credentials) answer(key string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, ok := c.answers[key]
	return text, ok
}

func (c *Credentials) rememberAnswer(key, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[key] = text
}

// forget drops a remembered answer that the server refused.
func (c *Credentials) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.answers, key)
}

// forgetAnswer drops what is remembered under key where it is text: somebody may have found a better one.
func (c *Credentials) forgetAnswer(key, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers[key] == text {
		delete(c.answers, key)
	}
}

// hasAnswers reports whether anything is remembered under a key that begins with prefix.
func (c *Credentials) hasAnswers(prefix string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.answers {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}
