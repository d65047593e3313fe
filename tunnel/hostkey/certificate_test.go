package hostkey

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

func validFrom(when time.Duration) func(*ssh.Certificate) {
	return func(c *ssh.Certificate) {
		c.ValidAfter, c.ValidBefore = uint64(time.Now().Add(when).Unix()), ssh.CertTimeInfinity
	}
}

func validUntil(when time.Duration) func(*ssh.Certificate) {
	return func(c *ssh.Certificate) {
		c.ValidAfter, c.ValidBefore = 0, uint64(time.Now().Add(when).Unix())
	}
}

// A board without a clock of its own starts in the past: the certificate of its server does not hold yet there, and does when the clock
// is set. A tunnel that has given up for good by then would stay down.
func TestCertificateThatDoesNotHoldYetMayPass(t *testing.T) {
	portless := "@cert-authority host.example " + keyText(testKey(t, "ecdsa ca"))
	for name, c := range map[string]struct {
		port  int
		lines []string
		set   func(*config.Options)
		want  string
	}{
		"authority alone":         {port: 22, lines: []string{portless}, want: "no host key is known"},
		"authority without port":  {port: 2222, lines: []string{portless}, want: "no host key is known for [host.example]:2222"},
		"another key known":       {port: 22, lines: []string{portless, hostLine(t, "host.example", "ed25519 b")}, want: "has changed"},
		"no plain keys":           {port: 22, lines: []string{portless}, set: onlyCertificates, want: "permits no plain key"},
		"no plain keys, and port": {port: 2222, lines: []string{portless}, set: onlyCertificates, want: "permits no plain key"},
	} {
		o := hostOptions(t, c.port, writeLines(t, c.lines...))
		if c.set != nil {
			c.set(o)
		}
		err := attempt(t, o, nil, testCertificate(t, "ed25519 a", "ecdsa ca", validFrom(time.Hour)))
		wantVerdict(t, name, err, c.want)
		wantVerdict(t, name, err, `host certificate "host one" does not hold before `)
		if fault.IsPermanent(err) || !strings.Contains(fault.HintOf(err), "clock") {
			t.Errorf("%s: permanent %v, hint %q", name, fault.IsPermanent(err), fault.HintOf(err))
		}
	}
}

func onlyCertificates(o *config.Options) {
	o.HostKeyAlgorithms, o.HostKeyAlgorithmsExact = []string{ssh.CertAlgoED25519v01}, true
}

// Time does not mend what else is wrong with a certificate, and forging one takes no key.
func TestCertificateThatIsWrongForGood(t *testing.T) {
	authority := "@cert-authority host.example " + keyText(testKey(t, "ecdsa ca"))
	forged := testCertificate(t, "ed25519 a", "ecdsa ca", validFrom(time.Hour))
	forged.Serial++
	for name, c := range map[string]struct {
		shown ssh.PublicKey
		want  string
	}{
		"for another host":                {testCertificate(t, "ed25519 a", "ecdsa ca", func(c *ssh.Certificate) { validFrom(time.Hour)(c); c.ValidPrincipals = []string{"x"} }), "not in the set of valid principals"},
		"forged":                          {forged, "signature does not verify"},
		"expired":                         {testCertificate(t, "ed25519 a", "ecdsa ca", validUntil(-time.Minute)), `host certificate "host one" expired `},
		"not yet, by a strange authority": {testCertificate(t, "ed25519 a", "ecdsa other", validFrom(time.Hour)), "no host key is known"},
	} {
		err := attempt(t, hostOptions(t, 22, writeLines(t, authority)), nil, c.shown)
		wantVerdict(t, name, err, c.want)
		if !fault.IsPermanent(err) {
			t.Errorf("%s: may pass: %v", name, err)
		}
	}
}

// Whoever renewed the certificate of the server for as long as this process has known it may be late once.
func TestCertificateThatHasExpiredMeanwhile(t *testing.T) {
	o := hostOptions(t, 22, writeLines(t, "@cert-authority host.example "+keyText(testKey(t, "ecdsa ca"))))
	var verified VerifiedKeys
	if err := attempt(t, o, &verified, testCertificate(t, "ed25519 a", "ecdsa ca", nil)); err != nil {
		t.Fatal(err)
	}
	err := attempt(t, o, &verified, testCertificate(t, "ed25519 a", "ecdsa ca", validUntil(-time.Minute)))
	wantVerdict(t, "expired", err, `host certificate "host one" expired `)
	if fault.IsPermanent(err) {
		t.Errorf("permanent: %v", err)
	}
	if err := attempt(t, o, &verified, testCertificate(t, "ed25519 a", "ecdsa ca", nil)); err != nil {
		t.Errorf("renewed: %v", err)
	}
}

// A plain key that is known is as good with a certificate out of its time as without, on any port.
func TestKnownKeyBesideACertificateThatDoesNotHoldYet(t *testing.T) {
	authority := "@cert-authority host.example " + keyText(testKey(t, "ecdsa ca"))
	for _, lines := range [][]string{
		{authority, hostLine(t, "[host.example]:2222", "ed25519 a")},
		{authority, hostLine(t, "host.example", "ed25519 a")},
	} {
		if err := attempt(t, hostOptions(t, 2222, writeLines(t, lines...)), nil, testCertificate(t, "ed25519 a", "ecdsa ca", validFrom(time.Hour))); err != nil {
			t.Error(err)
		}
	}
}

// ssh prints what is wrong with a certificate of a known authority, also where the key in it is taken all the same.
func TestInvalidCertificateIsTold(t *testing.T) {
	o := hostOptions(t, 22, writeLines(t, "@cert-authority host.example "+keyText(testKey(t, "ecdsa ca"))))
	shown := testCertificate(t, "ed25519 a", "ecdsa ca", validUntil(-time.Minute))
	o.StrictHostKeyChecking = config.StrictAsk
	person := &answers{}
	if err := newTestHostKeys(t, o, person).Check(t.Context(), nil, shown); err == nil || !strings.Contains(person.prompt, "\nIts certificate is not accepted: host certificate \"host one\" expired ") {
		t.Errorf("%v after the question %q", err, person.prompt)
	}
	o.StrictHostKeyChecking = config.StrictAcceptNew
	var said bytes.Buffer
	h, err := Read(t.Context(), o, nil, nil, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Check(t.Context(), nil, shown); err != nil || !strings.Contains(said.String(), `level=WARN msg="host certificate not accepted" err="host certificate`) {
		t.Errorf("%v, and the log says\n%s", err, said.String())
	}
}
