package hostkey

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
)

// checkCertificate reports whether a certificate of a known authority holds for this host and now. The rules are those of
// sshkey_cert_check_host: no critical option is understood, and principals are compared to the letter, without wildcards. As
// in OpenSSH since version 10, a certificate without principals is good for no host: one that its authority forgot to bind would
// otherwise be good for all.
func (h *Keys) checkCertificate(cert *ssh.Certificate) error {
	if cert.CertType != ssh.HostCert {
		return &certificateError{text: "the certificate is not a host's"}
	}
	if cert.Signature == nil || !slices.Contains(h.options.CASignatureAlgorithms, cert.Signature.Format) {
		return &certificateError{text: "the certificate is signed with an algorithm that CASignatureAlgorithms does not name"}
	}
	name := fmt.Sprintf("host certificate %q", foreign.Line(cert.KeyId))
	if len(cert.ValidPrincipals) == 0 {
		return &certificateError{text: name + " names no host"}
	}
	checker := ssh.CertChecker{Clock: func() time.Time { return time.Unix(int64(cert.ValidAfter), 0) }} // its time is looked at last
	if err := checker.CheckCert(h.certificateName(), cert); err != nil {
		return &certificateError{text: fmt.Sprintf("%s: %v", name, foreign.Error(err))}
	}
	return h.checkTime(name, cert)
}

// checkTime reports whether a certificate that is good in all else holds now. One that does not hold yet will, or the clock here is
// set to the right time; one that has ended may be renewed, as by whoever has renewed it while this process was connected before.
func (h *Keys) checkTime(name string, cert *ssh.Certificate) error {
	switch now := uint64(max(time.Now().Unix(), 0)); {
	case now < cert.ValidAfter:
		return &certificateError{
			text:   fmt.Sprintf("%s does not hold before %s by the clock here", name, certTime(cert.ValidAfter)),
			hint:   "set the clock of this machine, if it is slow",
			passes: true,
		}
	case cert.ValidBefore != ssh.CertTimeInfinity && now >= cert.ValidBefore:
		return &certificateError{
			text:   fmt.Sprintf("%s expired %s by the clock here", name, certTime(cert.ValidBefore)),
			hint:   "let the server's keeper renew it, unless the clock of this machine is fast",
			passes: len(h.before.keys) > 0,
		}
	}
	return nil
}

// certTime writes a time of a certificate (PROTOCOL.certkeys: seconds since 1970).
func certTime(seconds uint64) string {
	return time.Unix(int64(min(seconds, 1<<37)), 0).UTC().Format(time.RFC3339)
}

// certificateError is what is wrong with a certificate whose authority is known for the host.
type certificateError struct {
	text   string
	hint   string // what to do; empty: what there is to do for any other key
	passes bool   // it may be good at another time
}

func (e *certificateError) Error() string { return e.text }

// noteCertificate logs that a certificate is not accepted; where the authority is known, ssh prints why, too.
func (h *Keys) noteCertificate(c *shownKey, why error) {
	if c.invalid != nil && !c.portless {
		h.log.Warn("host certificate not accepted", "err", c.invalid)
		return
	}
	h.log.Debug("host certificate not accepted, its plain key is looked up", "err", why)
}

// because puts what is wrong with the certificate that the key came with before err.
func (c *shownKey) because(err error) error {
	if c.invalid == nil {
		return err
	}
	return fmt.Errorf("%w; as for its key alone: %w", c.invalid, err)
}

// refuseShown is refuse for a key that may have come with a certificate of a known authority: what to do may be about that, then, and
// time may mend it.
func (h *Keys) refuseShown(c *shownKey, err error, hint string) error {
	e := h.refuse(err, hint)
	if c.invalid != nil {
		e.Hint = cmp.Or(c.invalid.hint, hint, "let the server's keeper have a certificate made for this host")
		e.Permanent = !c.invalid.passes
	}
	return e
}
