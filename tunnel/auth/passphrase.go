package auth

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/crypto/ssh"
)

// The reasons why a private key cannot be used, for the message and the hint at the end of an attempt.
var (
	errNoPassphrase    = errors.New("no passphrase")
	errWrongPassphrase = errors.New("wrong passphrase")
	errMissingKey      = errors.New("no such file")
)

// openedKey is a private key that needed a passphrase, kept so that no reconnect needs a person.
type openedKey struct {
	signer     privateHalf
	passphrase string // tried first when the file is replaced
	modified   time.Time
	size       int64
}

// private reads the private key at path. An encrypted key is decrypted with what is remembered, with the configured
// files, or by asking, in this order; once opened it stays in memory until its file changes.
func (a *Attempt) private(path string) (privateHalf, error) {
	data, info, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errMissingKey
	}
	if err == nil {
		err = checkPrivate(info)
	}
	if err != nil {
		return nil, err
	}
	if !isEncrypted(data) {
		return parsePrivate(data)
	}
	if signer := a.credentials.opened(path, info); signer != nil {
		return signer, nil
	}
	return a.unlock(path, data, info)
}

// isEncrypted reports whether a private key needs a passphrase.
func isEncrypted(data []byte) bool {
	if block, _ := pem.Decode(data); block != nil && block.Type == encryptedPKCS8 {
		return true
	}
	var missing *ssh.PassphraseMissingError
	_, err := ssh.ParsePrivateKey(data)
	return errors.As(err, &missing)
}

// unlock decrypts the key of path, whose file holds data.
func (a *Attempt) unlock(path string, data []byte, info fs.FileInfo) (privateHalf, error) {
	if passphrase, ok := a.credentials.passphrase(path); ok {
		if signer, err := decrypt(data, passphrase); err == nil {
			return a.credentials.remember(path, info, signer, passphrase), nil
		}
	}
	result := fmt.Errorf("encrypted, and there is %w", errNoPassphrase)
	if file, passphrase, err := a.storedPassphrase(); err != nil {
		a.warnSecret("passphrase file not read", file, err)
		result = fmt.Errorf("encrypted, and there is %w: %w", errNoPassphrase, err)
	} else if file != "" {
		signer, err := decrypt(data, passphrase)
		if err == nil {
			return a.credentials.remember(path, info, signer, passphrase), nil
		}
		result = fmt.Errorf("%w in %s", err, file)
		a.log.Warn("key not opened", "key", path, "err", result)
	}
	signer, err := a.askPassphrase(path, data, info)
	if errors.Is(err, ErrNobody) {
		return nil, result
	}
	return signer, err
}

// askPassphrase asks a person until the key opens, as load_identity_file of OpenSSH's sshconnect2.c: at most
// NumberOfPasswordPrompts times, and not again after an empty answer.
func (a *Attempt) askPassphrase(path string, data []byte, info fs.FileInfo) (privateHalf, error) {
	free, err := a.question()
	if err != nil {
		return nil, err
	}
	defer free()
	// Another session of the tunnel may have asked for the same key in the meantime.
	if signer := a.credentials.opened(path, info); signer != nil {
		return signer, nil
	}
	err = errNoPassphrase
	for range max(1, a.options.NumberOfPasswordPrompts) {
		passphrase, askErr := a.credentials.ask.Secret(a.ctx, fmt.Sprintf("Enter passphrase for key '%.100s': ", path))
		if askErr != nil {
			return nil, askErr
		}
		a.asked = true
		if passphrase == "" {
			return nil, errNoPassphrase
		}
		signer, decryptErr := decrypt(data, passphrase)
		if decryptErr == nil {
			return a.credentials.remember(path, info, signer, passphrase), nil
		}
		if err = decryptErr; !errors.Is(err, errWrongPassphrase) {
			break
		}
		a.log.Warn("wrong passphrase", "key", path)
	}
	return nil, err
}

// decrypt parses an encrypted private key.
func decrypt(data []byte, passphrase string) (privateHalf, error) {
	if block, _ := pem.Decode(data); block != nil && block.Type == encryptedPKCS8 {
		return decryptPKCS8(block.Bytes, passphrase)
	}
	key, err := parseDecrypted(data, passphrase)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, errWrongPassphrase
	}
	return key, err
}

// storedPassphrase reads the first line of the file that holds the passphrase of this host's keys. file is empty where none
// is configured. What it returns opens keys and never goes into a packet; storedPassword returns what may.
func (a *Attempt) storedPassphrase() (file, passphrase string, err error) {
	file = a.passphraseFile()
	if file == "" {
		return "", "", nil
	}
	passphrase, err = readSecretFile(a.ctx, file)
	return file, passphrase, err
}

// passphraseFile returns TunneldPassphraseFile, or else the file that was given to the process.
func (a *Attempt) passphraseFile() string {
	if a.options.PassphraseFile != "" || a.credentials.GivenPassphrase == nil {
		return a.options.PassphraseFile
	}
	return a.credentials.GivenPassphrase(a.options.Alias)
}

// question waits until nobody else is asking a person; free ends the turn. The deadline stands still until then. ErrNobody means
// BatchMode, or that there is no Asker.
func (a *Attempt) question() (free func(), err error) {
	if a.options.BatchMode || a.credentials.ask == nil {
		return nil, ErrNobody
	}
	a.pauseForPrompt(true)
	select {
	case a.credentials.asking <- struct{}{}:
		return func() { <-a.credentials.asking; a.pauseForPrompt(false) }, nil
	case <-a.ctx.Done():
		a.pauseForPrompt(false)
		return nil, context.Cause(a.ctx)
	}
}

// pauseForPrompt tells the dialer that the attempt is waiting for a person, so that its deadline stands still.
func (a *Attempt) pauseForPrompt(waiting bool) {
	if a.OnPrompt != nil {
		a.OnPrompt(waiting)
	}
}
