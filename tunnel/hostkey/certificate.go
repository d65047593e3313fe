package hostkey

import (
	"errors"
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
		return errors.New("the certificate is not a host's")
	}
	if cert.Signature == nil || !slices.Contains(h.options.CASignatureAlgorithms, cert.Signature.Format) {
		return errors.New("the certificate is signed with an algorithm that CASignatureAlgorithms does not name")
	}
	if len(cert.ValidPrincipals) == 0 {
		return fmt.Errorf("host certificate %q names no host", foreign.Line(cert.KeyId))
	}
	checker := ssh.CertChecker{Clock: time.Now}
	if err := checker.CheckCert(h.certificateName(), cert); err != nil {
		return fmt.Errorf("host certificate %q: %w", foreign.Line(cert.KeyId), foreign.Error(err))
	}
	return nil
}
