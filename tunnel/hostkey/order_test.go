package hostkey

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
	"golang.org/x/crypto/ssh"
)

func TestAlgorithmsOrder(t *testing.T) {
	known := func(keys ...string) (lines []string) {
		for _, key := range keys {
			lines = append(lines, hostLine(t, "[host.example]:2222", key))
		}
		return lines
	}
	all := sshtest.Defaults(t).HostKeyAlgorithms
	usable := ssh.SupportedAlgorithms().HostKeys // neither keys of tokens nor post-quantum ones
	defaults := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !slices.Contains(usable, s) })
	tests := map[string]struct {
		lines []string
		set   []string
		exact bool
		want  []string // the first ones
	}{
		"nothing known":           {nil, nil, false, defaults},
		"the best is known":       {known("rsa a", "ed25519 a"), nil, false, defaults},
		"rsa":                     {known("rsa a"), nil, false, []string{ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.CertAlgoED25519v01}},
		"ecdsa":                   {known("ecdsa a"), nil, false, []string{ssh.CertAlgoECDSA256v01, ssh.KeyAlgoECDSA256, ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA384v01}},
		"two":                     {known("rsa a", "ecdsa a"), nil, false, []string{ssh.CertAlgoECDSA256v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSASHA512}},
		"authority":               {[]string{"@cert-authority " + known("rsa a")[0]}, nil, false, defaults},
		"authority and rsa":       {append(known("rsa a"), "@cert-authority * "+keyText(testKey(t, "ed25519 ca"))), nil, false, append(slices.Clone(defaults[:6]), ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoED25519)},
		"revoked is not known":    {append(known("rsa a"), "@revoked * "+keyText(testKey(t, "rsa a"))), nil, false, defaults},
		"other port is not known": {[]string{hostLine(t, "host.example", "rsa a")}, nil, false, defaults},
		"added and subtracted":    {known("rsa a"), []string{ssh.KeyAlgoED25519, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}, false, []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA, ssh.KeyAlgoED25519}},
		"written out":             {known("rsa a"), []string{ssh.KeyAlgoED25519, ssh.KeyAlgoRSASHA256}, true, []string{ssh.KeyAlgoED25519, ssh.KeyAlgoRSASHA256}},
		"unusable ones left out":  {nil, []string{ssh.KeyAlgoSKED25519, "x", ssh.KeyAlgoRSASHA256}, true, []string{ssh.KeyAlgoRSASHA256}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := hostOptions(t, 2222, writeLines(t, test.lines...))
			if test.set != nil {
				o.HostKeyAlgorithms, o.HostKeyAlgorithmsExact = test.set, test.exact
			}
			got := newTestHostKeys(t, o, nil).Algorithms()
			if len(got) < len(test.want) || !slices.Equal(got[:len(test.want)], test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if test.set == nil && slices.Contains(got, ssh.KeyAlgoRSA) {
				t.Error("SHA-1 is offered though nobody asked")
			}
		})
	}
}

func TestNoUsableAlgorithm(t *testing.T) {
	o := hostOptions(t, 22, writeLines(t))
	o.HostKeyAlgorithms = []string{ssh.KeyAlgoSKED25519}
	_, err := Read(t.Context(), o, nil, nil, testLog(t))
	var e *fault.Error
	if !errors.As(err, &e) || e.Phase != fault.PhaseHandshake || !e.Permanent || !strings.Contains(e.Hint, "ssh-ed25519") {
		t.Errorf("error %#v", err)
	}
}

func TestPlainKeyType(t *testing.T) {
	for name, want := range map[string]string{
		ssh.CertAlgoSKED25519v01: ssh.KeyAlgoSKED25519, ssh.CertAlgoRSASHA256v01: ssh.KeyAlgoRSA, ssh.KeyAlgoRSASHA512: ssh.KeyAlgoRSA,
		ssh.CertAlgoECDSA384v01: ssh.KeyAlgoECDSA384, ssh.KeyAlgoED25519: ssh.KeyAlgoED25519, ssh.CertAlgoSKECDSA256v01: ssh.KeyAlgoSKECDSA256,
	} {
		if got := plainKeyType(name); got != want {
			t.Errorf("plainKeyType(%s) = %s", name, got)
		}
	}
}
