package hostkey

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshkey"
	"golang.org/x/crypto/ssh"
)

// offer returns the algorithms to offer: those of HostKeyAlgorithms that we can use. They stand in the order of OpenSSH's
// order_hostkeyalgs, the ones of known keys first, because the server shows the key of the first one that it has: a server
// that is known by its RSA key only would else look like one whose key has changed. Dropbear even hangs up unless the
// first one is its own.
func (h *Keys) offer(known knownHosts) ([]string, error) {
	algorithms := h.options.HostKeyAlgorithms
	if !h.options.HostKeyAlgorithmsExact {
		if len(known) == 0 {
			algorithms = h.before.first(algorithms)
		}
		algorithms = orderAlgorithms(algorithms, known)
	}
	usable := usableHostKeyAlgorithms()
	offered := slices.DeleteFunc(slices.Clone(algorithms), func(name string) bool {
		return !slices.Contains(usable, name)
	})
	if len(offered) < len(algorithms) {
		h.log.Debug("host key algorithms that tunneld cannot use are left out", "offered", strings.Join(offered, ","))
	}
	if len(offered) == 0 {
		return nil, &fault.Error{
			Phase:     fault.PhaseHandshake,
			Permanent: true,
			Where:     h.where(),
			Err:       fmt.Errorf("none of HostKeyAlgorithms %s can be used", strings.Join(algorithms, ",")),
			Hint:      "choose from " + strings.Join(usable, ","),
		}
	}
	return offered, nil
}

// usableHostKeyAlgorithms are all that x/crypto implements, the weak ones last. A weak one is offered only where somebody
// wrote it.
func usableHostKeyAlgorithms() []string {
	usable := ssh.SupportedAlgorithms().HostKeys
	return append(slices.Clone(usable), ssh.InsecureAlgorithms().HostKeys...)
}

// orderAlgorithms leaves the list alone where the best algorithm's key is known. Else the algorithms of known keys go
// first, and the ones of certificates where an authority is known for the host.
func orderAlgorithms(algorithms []string, known knownHosts) []string {
	if len(algorithms) == 0 || known.holdsType(plainKeyType(algorithms[0])) {
		return algorithms
	}
	var first, last []string
	for _, name := range algorithms {
		if isCertificateType(name) && known.first(markCA) != nil || known.holdsType(plainKeyType(name)) {
			first = append(first, name)
		} else {
			last = append(last, name)
		}
	}
	return append(first, last...)
}

func isCertificateType(algorithm string) bool {
	return strings.HasSuffix(algorithm, sshkey.CertificateSuffix)
}

// plainKeyType returns the type of the key, without a certificate, that is used with an algorithm.
func plainKeyType(algorithm string) string {
	if base, ok := strings.CutSuffix(algorithm, sshkey.CertificateSuffix); ok {
		algorithm = base
		if strings.HasPrefix(base, "sk-") {
			algorithm += "@openssh.com"
		}
	}
	switch algorithm {
	case ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512:
		return ssh.KeyAlgoRSA
	}
	return algorithm
}

// permits reports whether a key of this type may be used with one of the algorithms.
func permits(algorithms []string, key ssh.PublicKey) bool {
	_, certified := key.(*ssh.Certificate)
	return slices.ContainsFunc(algorithms, func(name string) bool {
		return plainKeyType(name) == plainKeyType(key.Type()) && isCertificateType(name) == certified
	})
}
