package auth

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/tunnel/fault"
	"golang.org/x/crypto/ssh"
)

// A server that allows SHA-2 signatures of RSA keys under Match User only announces too little before it knows the user. One
// that does not allow them at all is not said to want SHA-1.
func TestRSASignaturesThatAreNotAnnounced(t *testing.T) {
	noLeaks(t)
	key := authKeygen(t, filepath.Join(t.TempDir(), "key"), "-t", "rsa", "-b", "2048")
	authSign(t, authKeygen(t, filepath.Join(t.TempDir(), "ca"), "-t", "ed25519"), key, "-n", "bob")
	for name, test := range map[string]struct {
		allowed string // once the user is known
		taken   int    // offers
	}{
		"nothing more": {ssh.KeyAlgoED25519, 0},
		"SHA-512":      {ssh.KeyAlgoRSASHA512, 1},
	} {
		t.Run(name, func(t *testing.T) {
			algorithms := []string{ssh.KeyAlgoED25519} // the array is the server's own copy's, too
			server := startPasswordServer(t, func(s *passwordServer) {
				s.config.PublicKeyAuthAlgorithms = algorithms
				s.config.BannerCallback = func(ssh.ConnMetadata) string { algorithms[0] = test.allowed; return "" }
				s.config.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }
			})
			c, _ := credentials(nil)
			a, err := login(t, c, authOptions(t, "bob", server.address, key))
			if test.taken == 0 {
				wantAuthError(t, err, true, "no signature algorithm in common", "announces no SHA-2 signatures", "use an ed25519 key")
				if strings.Contains(fault.HintOf(err), "takes this RSA key with SHA-1 only") {
					t.Errorf("hint %s", fault.HintOf(err))
				}
				return
			}
			if err != nil || !a.offers[len(a.offers)-1].signed {
				t.Errorf("%v after %d offers", err, len(a.offers))
			}
		})
	}
}
