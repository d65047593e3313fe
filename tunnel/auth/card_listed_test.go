package auth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The key of a certificate is in the token, and an IdentityFile has its public half: that is the token's key.
func TestCertificateOfATokensKeyThatIsListed(t *testing.T) {
	noLeaks(t)
	held := newPINToken(t)
	authority := authKeygen(t, filepath.Join(held.dir, "authority"))
	server := startAuthServer(t, "TrustedUserCAKeys "+authority+".pub")
	authSign(t, authority, held.keys[1])
	for _, named := range []string{held.keys[1] + ".pub", held.keys[1]} {
		if err := os.RemoveAll(held.keys[1]); err != nil {
			t.Fatal(err)
		}
		c, log := credentials(&fakePerson{answers: []string{cardPIN}})
		o := held.options(t, server, named)
		o.CertificateFile, o.IdentitiesOnly = []string{held.keys[1] + "-cert.pub"}, true
		if a, err := login(t, c, o); err != nil || !strings.Contains(a.Detail(), "CERT") {
			t.Errorf("%s: %v\n%s", named, err, log)
		}
	}
}
