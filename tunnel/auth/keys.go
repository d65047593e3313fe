package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// candidate is a key that may be offered (OpenSSH's struct identity).
type candidate struct {
	name     string        // the file, or the agent's comment
	path     string        // the file with the private half; for an agent's own key empty
	explicit bool          // somebody wrote the file's name
	agent    bool          // the agent holds the private half
	card     bool          // the card or token of PKCS11Provider does; without a public half it stands for all keys of that
	public   ssh.PublicKey // nil: not known until the private half is read
	signer   privateHalf   // where it had to be read to learn the public half
	tried    bool
}

// String names the key as OpenSSH's format_identity: name, type, fingerprint, and where the private half is.
func (k *candidate) String() string {
	text := k.name
	if text == "" {
		text = "(no comment)"
	}
	if k.public != nil {
		text += " " + sshkey.TypeOf(k.public) + " " + ssh.FingerprintSHA256(sshkey.Plain(k.public))
	}
	switch {
	case k.agent:
		text += " agent"
	case k.card:
		text += " token"
	}
	return text
}

// prepare lists the keys in the order of OpenSSH's pubkey_prepare (sshconnect2.c): certificates of CertificateFile,
// keys of the agent that an IdentityFile names, other keys of the agent unless IdentitiesOnly, keys of PKCS11Provider, then the
// files that are left.
func (a *Attempt) prepare() {
	keys := a.certificates()
	files := a.identities()
	var others []*candidate
	for _, held := range a.agentKeys() {
		if !a.fits(held.comment.String(), held.public, false) {
			continue
		}
		if i := indexOfKey(files, held.public); i >= 0 {
			files[i].agent = true
			keys = append(keys, files[i])
			files = append(files[:i:i], files[i+1:]...)
		} else if !a.options.IdentitiesOnly {
			others = append(others, &candidate{name: held.comment.String(), agent: true, public: held.public})
		}
	}
	keys = append(append(keys, others...), a.cardKeys()...)
	for _, file := range files {
		if file.public != nil && sshkey.IsHardware(file.public) {
			if _, err := a.helper(file.path); err != nil {
				a.failures = append(a.failures, keyFailure{file.path, err})
				a.skip(file.name, err.Error(), file.explicit)
				continue
			}
		}
		keys = append(keys, file)
	}
	a.keys = keys
	for _, key := range keys {
		a.log.Debug("will offer", "key", key.String(), "explicit", key.explicit)
	}
}

func indexOfKey(keys []*candidate, public ssh.PublicKey) int {
	for i, key := range keys {
		if sshkey.Same(key.public, public) {
			return i
		}
	}
	return -1
}

// certificates reads the files of CertificateFile.
func (a *Attempt) certificates() []*candidate {
	var keys []*candidate
	for _, path := range a.options.CertificateFile {
		certificate, err := readCertificate(path)
		if err != nil {
			a.skip(path, reason(err), true)
			continue
		}
		if a.fits(path, certificate, true) {
			keys = append(keys, &candidate{name: path, path: path, explicit: true, public: certificate})
		}
	}
	return keys
}

// identities reads the public halves of IdentityFile, each followed by the certificate beside it unless CertificateFile
// is in use (load_public_identity_files of OpenSSH's ssh.c).
func (a *Attempt) identities() []*candidate {
	var keys []*candidate
	for _, file := range a.options.IdentityFile {
		key := &candidate{name: file.Path, path: file.Path, explicit: file.Explicit}
		if public, err := readPublicHalf(file.Path); err == nil {
			key.public = public
		}
		if key.public == nil || a.fits(file.Path, key.public, file.Explicit) {
			keys = append(keys, key)
		}
		if len(a.options.CertificateFile) > 0 {
			continue
		}
		certificate, err := readCertificate(file.Path + "-cert")
		if err == nil && a.fits(file.Path+"-cert.pub", certificate, true) {
			keys = append(keys, &candidate{
				name: file.Path + "-cert.pub", path: file.Path, explicit: file.Explicit, public: certificate,
			})
		}
	}
	return keys
}

// agentKeys returns what the agent holds. Where the agent is gone, mute or of no use, the attempt goes on without its keys.
func (a *Attempt) agentKeys() []agentKey {
	path := a.options.IdentityAgent
	if path == "" {
		return nil
	}
	connection, err := dialAgent(a.ctx, path)
	if err == nil {
		a.agent = connection
		a.bindAgent()
		var keys []agentKey
		if keys, err = connection.keys(a.ctx); err == nil {
			a.log.Debug("agent asked", "agent", path, "keys", len(keys))
			return keys
		}
		err = fmt.Errorf("%s: %w", path, err)
	}
	a.agentErr = foreign.Error(err)
	a.log.Warn("going on without the agent", "agent", foreign.Own(path), "err", foreign.Error(err))
	return nil
}

// fits reports whether a key may be offered at all: RequiredRSASize and PubkeyAcceptedAlgorithms allow it, and a certificate is a
// user's and has not expired.
func (a *Attempt) fits(name string, public ssh.PublicKey, explicit bool) bool {
	why := a.unfit(public)
	if why != "" {
		a.skip(name, why, explicit)
	}
	return why == ""
}

func (a *Attempt) unfit(public ssh.PublicKey) string {
	if bits := sshkey.RsaBits(public); bits > 0 && bits < a.options.RequiredRSASize {
		return fmt.Sprintf("RSA key of %d bits, RequiredRSASize is %d", bits, a.options.RequiredRSASize)
	}
	if len(sshkey.SignatureAlgorithms(public, a.options.PubkeyAcceptedAlgorithms)) == 0 {
		return public.Type() + " is not in PubkeyAcceptedAlgorithms"
	}
	certificate, ok := public.(*ssh.Certificate)
	if !ok {
		return ""
	}
	switch {
	case certificate.CertType != ssh.UserCert:
		return "not a user certificate"
	case certificate.ValidBefore != ssh.CertTimeInfinity && !time.Now().Before(certTime(certificate.ValidBefore)):
		return "certificate expired " + certTime(certificate.ValidBefore).Format(time.RFC3339)
	}
	return ""
}

// skip notes a key that is not offered, and why, for the message of an attempt that fails. Where somebody asked for the key, it
// warns the first time.
func (a *Attempt) skip(name, why string, explicit bool) {
	a.skipped = append(a.skipped, name+": "+why)
	level := slog.LevelDebug
	if explicit && a.credentials.firstTime("skip "+name+why) {
		level = slog.LevelWarn
	}
	a.log.Log(a.ctx, level, "key not offered", "key", name, "why", why)
}

// publicKey offers the next key, or nothing when all have been offered.
func (a *Attempt) publicKey() (ssh.AuthMethod, error) {
	if !a.prepared {
		a.prepared = true
		a.prepare()
	}
	if a.again != nil {
		a.current = a.again
		return a.offerCurrent(), nil
	}
	for len(a.keys) > 0 && !a.keys[0].tried {
		key := a.keys[0]
		key.tried = true
		a.keys = append(a.keys[1:len(a.keys):len(a.keys)], key)
		switch {
		case key.card && key.public == nil:
			a.readCard(key)
		case a.offerable(key):
			a.current = newOffer(a, key)
			a.offers = append(a.offers, a.current)
			return a.offerCurrent(), nil
		}
		if err := a.ctx.Err(); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (a *Attempt) offerCurrent() ssh.AuthMethod {
	a.response = new(response)
	return a.response.publicKey(a.current)
}

// offerable makes sure that the public half is known and that the server has not refused it in this round.
func (a *Attempt) offerable(key *candidate) bool {
	if key.public == nil {
		signer, err := a.private(key.path)
		if err != nil {
			a.skipFile(key, err)
			return false
		}
		if !a.fits(key.name, signer.PublicKey(), key.explicit) {
			return false
		}
		key.signer, key.public = signer, signer.PublicKey()
	}
	for _, earlier := range a.offers {
		if earlier.refused && !earlier.settled && sshkey.Same(earlier.candidate.public, key.public) {
			return false
		}
	}
	return true
}

// skipFile notes why an identity file is of no use. Default files need not exist.
func (a *Attempt) skipFile(key *candidate, err error) {
	if errors.Is(err, errMissingKey) && !key.explicit {
		return
	}
	a.failures = append(a.failures, keyFailure{key.path, err})
	a.skip(key.name, reason(err), key.explicit)
}

// reason returns the text of err without the path, which the message names already.
func reason(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errMissingKey.Error()
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return foreign.Error(err).Error()
}
