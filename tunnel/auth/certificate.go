package auth

import (
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
)

// early says of a certificate that it does not hold yet by the clock here; empty: it does, or key is none. It is offered all the same, as
// by ssh: where a machine without a clock of its own has started, the server knows better.
func early(key ssh.PublicKey) string {
	certificate, ok := key.(*ssh.Certificate)
	if ok && time.Now().Before(certTime(certificate.ValidAfter)) {
		return "certificate not valid before " + certTime(certificate.ValidAfter).Format(time.RFC3339) + " by the clock here"
	}
	return ""
}

// certTime reads a time of a certificate (PROTOCOL.certkeys: seconds since 1970).
func certTime(seconds uint64) time.Time {
	return time.Unix(int64(min(seconds, 1<<40)), 0)
}

// early reports whether the server has refused a certificate that does not hold yet, as time will mend.
func (a *Attempt) early() bool {
	return slices.ContainsFunc(a.offers, func(o *offer) bool { return o.sent && early(o.candidate.public) != "" })
}
