package hostkey

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/tunnel/sshkey"
	"golang.org/x/crypto/ssh"
)

// krlLab holds keys and certificates as files, for ssh-keygen.
type krlLab struct {
	dir   string
	names map[string]ssh.PublicKey // by file
}

func newKRLLab(t *testing.T) *krlLab {
	t.Helper()
	lab := &krlLab{dir: t.TempDir(), names: map[string]ssh.PublicKey{}}
	for _, name := range []string{"ed25519 ca", "ecdsa ca", "ed25519 one", "rsa two", "ecdsa three"} {
		lab.add(t, writePrivate(t, lab.dir, name)+".pub")
	}
	serials := []uint64{0, 1, 2, 5, 63, 64, 65, 700, 1 << 40, 1<<64 - 1}
	for i, serial := range serials {
		for _, authority := range []string{"ed25519_ca", "ecdsa_ca"} {
			key := writePrivate(t, lab.dir, fmt.Sprintf("ed25519 host%d%s", i, authority))
			mustRun(t, "ssh-keygen", "-q", "-s", lab.path(authority), "-h", "-I", fmt.Sprintf("id %d", i), "-n", "host.example",
				"-z", fmt.Sprint(serial), key+".pub")
			lab.add(t, key+"-cert.pub")
		}
	}
	return lab
}

func (l *krlLab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *krlLab) add(t *testing.T, path string) { l.names[path] = readPublic(t, path) }

// Lists that ssh-keygen makes, asked by us and by ssh-keygen.
func TestKRLAgreesWithKeygen(t *testing.T) {
	program(t, "ssh-keygen")
	lab := newKRLLab(t)
	fingerprint := ssh.FingerprintSHA256(lab.names[lab.path("rsa_two.pub")])
	specifications := map[string]string{
		"empty":           "",
		"a serial":        "serial: 5",
		"a range":         "serial: 60-70\nserial: 1",
		"a bitmap":        "serial: 1\nserial: 3\nserial: 5\nserial: 7\nserial: 9\nserial: 64\nserial: 66",
		"the last serial": "serial: 18446744073709551615",
		"all serials":     "serial: 1-18446744073709551615",
		"key IDs":         "id: id 0\nid: id 3",
		"keys":            "key: " + keyText(lab.names[lab.path("ed25519_one.pub")]) + "\nsha1: " + keyText(lab.names[lab.path("rsa_two.pub")]),
		"hashes":          "sha256: " + keyText(lab.names[lab.path("ecdsa_three.pub")]) + "\nhash: " + fingerprint,
		"a host's key":    "key: " + keyText(sshkey.Plain(lab.names[lab.path("ed25519_host3ed25519_ca-cert.pub")])),
		"the authority":   "key: " + keyText(lab.names[lab.path("ecdsa_ca.pub")]),
	}
	revocations := 0
	for name, specification := range specifications {
		for _, authority := range []string{"ed25519_ca.pub", ""} {
			t.Run(name+" "+authority, func(t *testing.T) {
				text := filepath.Join(t.TempDir(), "spec")
				if err := os.WriteFile(text, []byte(specification+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				list := filepath.Join(t.TempDir(), "krl")
				words := []string{"-q", "-k", "-f", list, "-z", "42"}
				if authority != "" {
					words = append(words, "-s", lab.path(authority))
				} else if strings.Contains(specification, "serial") || strings.Contains(specification, "id:") {
					words = append(words, "-s", "none")
				}
				if output, err := runProgram(t, "ssh-keygen", append(words, text)...); err != nil {
					t.Skipf("ssh-keygen makes no such list: %s", output)
				}
				for path, key := range lab.names {
					ours, err := revokedByFile(list, key)
					if err != nil {
						t.Fatal(err)
					}
					_, err = runProgram(t, "ssh-keygen", "-Q", "-f", list, path)
					theirs := err != nil
					if theirs {
						revocations++
					}
					if ours != theirs {
						t.Errorf("%s: ours %v, ssh-keygen's %v", filepath.Base(path), ours, theirs)
					}
				}
			})
		}
	}
	if revocations < 50 {
		t.Errorf("only %d revocations, so that the test shows little", revocations)
	}
}

// krl builds a list from sections.
func krl(sections ...[]byte) []byte {
	list := []byte(krlMagic)
	list = binary.BigEndian.AppendUint32(list, krlFormat)
	list = append(list, make([]byte, 3*8)...) // version, time, flags
	list = append(list, wireString("")...)
	list = append(list, wireString("a comment")...)
	for _, section := range sections {
		list = append(list, section...)
	}
	return list
}

func wireString(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

func wireUint64(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

func krlSection(kind byte, body string) []byte { return append([]byte{kind}, wireString(body)...) }

// certSection is for every authority, with one part.
func certSection(kind byte, body string) []byte {
	return krlSection(krlCertificates, string(wireString(""))+string(wireString(""))+string(krlSection(kind, body)))
}

// signKRL appends a signature section.
func signKRL(t testing.TB, list []byte, name string) []byte {
	t.Helper()
	signer := testSigner(t, name)
	list = append(append(list, krlSignature), wireString(string(signer.PublicKey().Marshal()))...)
	signature, err := signer.Sign(nil, list)
	if err != nil {
		t.Fatal(err)
	}
	return append(list, wireString(string(ssh.Marshal(signature)))...)
}

func TestKRLsThatAreRefused(t *testing.T) {
	key := string(testKey(t, "ed25519 a").Marshal())
	signed := signKRL(t, krl(), "ed25519 a")
	forged := append([]byte(nil), signed...)
	forged[len(krlMagic)+4]++ // the version
	short := string(make([]byte, sha1.Size-1))
	tests := map[string]struct {
		list []byte
		ok   bool
	}{
		"empty":                    {krl(), true},
		"a key":                    {krl(krlSection(krlExplicitKey, string(wireString(key)))), true},
		"signed":                   {signed, true},
		"signed twice":             {signKRL(t, signed, "ecdsa a"), true},
		"signed twice by one":      {signKRL(t, signed, "ed25519 a"), false},
		"forged":                   {forged, false},
		"goes on after signature":  {append(signed, krlSection(krlExplicitKey, "")...), false},
		"signed by a revoked key":  {signKRL(t, krl(krlSection(krlExplicitKey, string(wireString(key)))), "ed25519 a"), false},
		"one of two is revoked":    {signKRL(t, signKRL(t, krl(krlSection(krlExplicitKey, string(wireString(key)))), "ed25519 a"), "ecdsa a"), true},
		"magic alone":              {[]byte(krlMagic), false},
		"another format":           {append([]byte(krlMagic), 0, 0, 0, 2), false},
		"unknown section":          {krl(krlSection(9, "")), false},
		"unknown certificate part": {krl(certSection(0x30, "")), false},
		"short hash":               {krl(krlSection(krlSHA1, string(wireString(short)))), false},
		"section too long":         {krl([]byte{krlExplicitKey, 0xff, 0xff, 0xff, 0xff}), false},
		"section cut":              {krl([]byte{krlExplicitKey, 0}), false},
		"key cut":                  {krl(krlSection(krlExplicitKey, "\x00\x00\x00\x09x")), false},
		"authority is no key":      {krl(krlSection(krlCertificates, string(wireString("x"))+string(wireString("")))), false},
		"serial":                   {krl(certSection(krlSerialList, wireUint64(1))), true},
		"serial cut":               {krl(certSection(krlSerialList, wireUint64(1)[:7])), false},
		"serial 0":                 {krl(certSection(krlSerialList, wireUint64(0))), false},
		"range":                    {krl(certSection(krlSerialRange, wireUint64(1)+wireUint64(2))), true},
		"range backwards":          {krl(certSection(krlSerialRange, wireUint64(2)+wireUint64(1))), false},
		"range and more":           {krl(certSection(krlSerialRange, wireUint64(1)+wireUint64(2)+"x")), false},
		"bitmap":                   {krl(certSection(krlSerialBitmap, wireUint64(1)+string(wireString("\x03")))), true},
		"bitmap up to the end":     {krl(certSection(krlSerialBitmap, wireUint64(1<<64-2)+string(wireString("\x03")))), true},
		"bitmap beyond the end":    {krl(certSection(krlSerialBitmap, wireUint64(1<<64-1)+string(wireString("\x03")))), false},
		"bitmap of serial 0":       {krl(certSection(krlSerialBitmap, wireUint64(0)+string(wireString("\x01")))), false},
		"negative bitmap":          {krl(certSection(krlSerialBitmap, wireUint64(1)+string(wireString("\x80")))), false},
		"huge bitmap":              {krl(certSection(krlSerialBitmap, wireUint64(1)+string(wireString("\x01"+strings.Repeat("\x00", maxKRLBitmap))))), false},
		"key ID with a NUL":        {krl(certSection(krlKeyID, string(wireString("a\x00b")))), false},
		"key ID that ends in NUL":  {krl(certSection(krlKeyID, string(wireString("ab\x00")))), true},
	}
	path := filepath.Join(t.TempDir(), "krl")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseKRL(test.list)
			if (err == nil) != test.ok {
				t.Errorf("error %v", err)
			}
			if err := os.WriteFile(path, test.list, 0o600); err != nil {
				t.Fatal(err)
			}
			if output, err := runProgram(t, "ssh-keygen", "-Q", "-l", "-f", path); (err == nil) != test.ok {
				t.Errorf("ssh-keygen: %v, %s", err, output)
			}
		})
	}
}

func TestKRLBitmap(t *testing.T) {
	list, err := parseKRL(krl(certSection(krlSerialBitmap, wireUint64(100)+string(wireString("\x01\x00\x05")))))
	if err != nil {
		t.Fatal(err)
	}
	for serial, want := range map[uint64]bool{99: false, 100: true, 101: false, 102: true, 103: false, 116: true, 117: false, 1 << 60: false} {
		cert := testCertificate(t, "ed25519 a", "ecdsa ca", func(c *ssh.Certificate) { c.Serial = serial })
		if got := list.revokes(cert); got != want {
			t.Errorf("serial %d: revoked %v", serial, got)
		}
	}
}

func FuzzKRL(f *testing.F) {
	key := testKey(f, "ed25519 a")
	cert := testCertificate(f, "ed25519 a", "ecdsa ca", nil)
	f.Add(krl())
	f.Add(signKRL(f, krl(krlSection(krlExplicitKey, string(wireString(string(key.Marshal()))))), "ecdsa a"))
	f.Add(krl(certSection(krlSerialBitmap, wireUint64(1)+string(wireString("\x03"))), certSection(krlSerialRange, wireUint64(1)+wireUint64(9))))
	f.Add(krl(certSection(krlKeyID, string(wireString("host one"))), krlSection(krlSHA256, "")))
	f.Add([]byte(krlMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseKRL(data)
		if err != nil {
			return
		}
		list.revokes(key)
		list.revokes(cert)
	})
}
