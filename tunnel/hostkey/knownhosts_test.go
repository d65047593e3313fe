package hostkey

import (
	"math/big"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config/sshpattern"
	"github.com/tunneld/tunneld/tunnel/sshkey"
	"golang.org/x/crypto/ssh"
)

func TestMatchNames(t *testing.T) {
	salt := []byte("01234567890123456789")
	const longest = 1022 // of match_pattern_list in OpenSSH
	long := strings.Repeat("a", longest+1)
	tests := []struct {
		names, name string
		want        bool
	}{
		{"a.example", "a.example", true},
		{"A.Example", "a.example", true},
		{"a.example", "b.example", false},
		{"b,a.example", "a.example", true},
		{"*", "[a]:2222", true},
		{"*.example", "a.example", true},
		{"*.example", "example", false},
		{"?.example", "a.example", true},
		{"?.example", ".example", false},
		{"**a", "a", true},
		{"*?", "a", true},
		{"*?", "", false},
		{"[*]:*", "[a]:2222", true},
		{"[a]:222?", "[a]:2222", true},
		{"[127.0.0.1*]:22", "[127.0.0.1]:22", true},
		{"*.example,!a.example", "a.example", false},
		{"!a.example,*.example", "a.example", false},
		{"!b.example,*.example", "a.example", true},
		{"!b.example", "a.example", false},
		{"!!a", "!a", false},
		{"", "", false}, // as match_pattern_list has it; no name is empty
		{"", "a", false},
		{"a,", "", false},
		{long, long, false},
		{long + ",a", "a", false},
		{"a," + long, "a", false},
		{long[:longest], long[:longest], true},
		{"\xff\xfe", "\xff\xfe", true},
		{"\xff", "\xfe", false},
		{hashName("a", salt), "a", true},
		{hashName("a", salt), "b", false},
		{hashName("a", salt) + "x", "a", false},
		{hashName("a", salt)[:20], "a", false},
		{hashName("a", salt[:10]), "a", false},
		{"|2|" + hashName("a", salt)[3:], "a", false},
		{"a," + hashName("a", salt), "a", true},
		{"b," + hashName("a", salt), "a", false},
		{"|1|", "a", false},
		{"|1||", "a", false},
		{"|", "a", false},
	}
	for _, test := range tests {
		if got := matchNames(test.names, test.name); got != test.want {
			t.Errorf("matchNames(%.40q, %.40q) = %v", test.names, test.name, got)
		}
	}
}

func TestHostKeyName(t *testing.T) {
	tests := []struct {
		host string
		port int
		want string
	}{
		{"Host.Example", 22, "host.example"},
		{"host", 2222, "[host]:2222"},
		{"::1", 22, "::1"},
		{"0:0:0:0:0:0:0:1", 2222, "[::1]:2222"},
		{"FE80::1%eth0", 22, "fe80::1%eth0"},
		{"10.0.0.1", 22, "10.0.0.1"},
	}
	for _, test := range tests {
		if got := hostKeyName(test.host, test.port); got != test.want {
			t.Errorf("hostKeyName(%q, %d) = %q, want %q", test.host, test.port, got, test.want)
		}
	}
}

func TestKnownHostsLines(t *testing.T) {
	key := keyText(testKey(t, "ed25519 a"))
	ecdsa := keyText(testKey(t, "ecdsa a"))
	rsa := keyText(testKey(t, "rsa a"))
	name, blob, _ := strings.Cut(key, " ")
	tests := map[string]struct {
		text string
		want marker
		ok   bool
	}{
		"plain":                   {"h " + key, markNone, true},
		"comment after the key":   {"h " + key + " bob@host # x", markNone, true},
		"tabs":                    {"\th\t" + name + "\t" + blob + "\tx", markNone, true},
		"many blanks":             {"   h    " + name + "   " + blob + "   ", markNone, true},
		"carriage return":         {"h " + key + "\r", markNone, true},
		"authority":               {"@cert-authority h " + key, markCA, true},
		"revoked":                 {"@revoked   h " + key, markRevoked, true},
		"marker before a tab":     {"@revoked\th " + key, markNone, false},
		"tabs only":               {"@revoked\th\t" + name + "\t" + blob, markRevoked, true},
		"unknown marker":          {"@trusted h " + key, markNone, false},
		"marker in capitals":      {"@Revoked h " + key, markNone, false},
		"two markers":             {"@revoked @cert-authority h " + key, markNone, false},
		"marker alone":            {"@revoked", markNone, false},
		"marker and a blank":      {"@revoked ", markNone, false},
		"empty":                   {"", markNone, false},
		"blank":                   {" \t ", markNone, false},
		"comment":                 {" # h " + key, markNone, false},
		"names only":              {"h", markNone, false},
		"names and a comment":     {"h # " + key, markNone, false},
		"type only":               {"h " + name, markNone, false},
		"type and a blank":        {"h " + name + " ", markNone, false},
		"no padding":              {"h " + strings.TrimRight(ecdsa, "="), markNone, false},
		"cut key":                 {"h " + key[:len(key)-4], markNone, false},
		"bytes after the key":     {"h " + key + "AAAA", markNone, false},
		"another type's name":     {"h ecdsa-sha2-nistp256 " + blob, markNone, false},
		"another curve's name":    {"h ecdsa-sha2-nistp384 " + strings.Fields(ecdsa)[1], markNone, false},
		"RSA by a signature name": {"h rsa-sha2-512 " + strings.Fields(rsa)[1], markNone, true},
		"RSA by a certificate's":  {"h ssh-rsa-cert-v01@openssh.com " + strings.Fields(rsa)[1], markNone, false},
		"protocol 1":              {"h 1024 35 1234567890", markNone, false},
		"newer type":              {"h ssh-mldsa44-ed25519@openssh.com AAAA", markNone, false},
		"NUL before the key":      {"h \x00" + key, markNone, false},
		"NUL after the key":       {"h " + key + "\x00x", markNone, true},
		"not base64":              {"h " + name + " ****", markNone, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := knownHostsFile{path: "f", lines: []string{"# first", test.text}}
			found := file.lookup("h")
			if (len(found) == 1) != test.ok {
				t.Fatalf("%q: %d lines found", test.text, len(found))
			}
			if test.ok && (found[0].marker != test.want || found[0].source() != "f:2") {
				t.Errorf("marker %v of %s", found[0].marker, found[0].source())
			}
		})
	}
}

// A short RSA key cannot be used, so it says nothing of the host: OpenSSH does not read it.
func TestShortRSAKeyIsNoKey(t *testing.T) {
	modulus := new(big.Int).SetBit(big.NewInt(1), 767, 1)
	blob := ssh.Marshal(struct {
		Type string
		E, N *big.Int
	}{ssh.KeyAlgoRSA, big.NewInt(65537), modulus})
	if _, err := ssh.ParsePublicKey(blob); err != nil {
		t.Fatalf("the library refuses it already: %v", err)
	}
	if _, err := parseKeyBlob(blob); err == nil {
		t.Error("an RSA key of 768 bits was read")
	}
}

func TestJudge(t *testing.T) {
	a, b, rsa := testKey(t, "ed25519 a"), testKey(t, "ed25519 b"), testKey(t, "rsa a")
	cert := testCertificate(t, "ed25519 a", "ecdsa ca", nil)
	line := func(mark marker, name string, n int) knownHost {
		return knownHost{file: "f", line: n, marker: mark, key: testKey(t, name)}
	}
	tests := map[string]struct {
		known knownHosts
		shown ssh.PublicKey
		want  verdict
		line  int
	}{
		"nothing known":              {nil, a, keyUnknown, 0},
		"the key":                    {knownHosts{line(markNone, "ed25519 a", 1)}, a, keyKnown, 1},
		"the key after others":       {knownHosts{line(markNone, "ed25519 b", 1), line(markNone, "ed25519 a", 2)}, a, keyKnown, 2},
		"another key":                {knownHosts{line(markNone, "ed25519 a", 1)}, b, keyChanged, 1},
		"another type":               {knownHosts{line(markNone, "ed25519 a", 1)}, rsa, keyChanged, 1},
		"blames the same type":       {knownHosts{line(markNone, "ed25519 a", 1), line(markNone, "rsa a", 2)}, b, keyChanged, 1},
		"an authority's plain key":   {knownHosts{line(markCA, "ed25519 a", 1)}, a, keyUnknown, 0},
		"an authority is no change":  {knownHosts{line(markCA, "ed25519 a", 1)}, b, keyUnknown, 0},
		"certified":                  {knownHosts{line(markCA, "ecdsa ca", 1)}, cert, keyKnown, 1},
		"other authority":            {knownHosts{line(markCA, "rsa a", 1)}, cert, keyUnknown, 0},
		"certificate's plain key":    {knownHosts{line(markNone, "ed25519 a", 1)}, cert, keyUnknown, 0},
		"revoked":                    {knownHosts{line(markNone, "ed25519 a", 1), line(markRevoked, "ed25519 a", 2)}, a, keyRevoked, 2},
		"revoked under a cert":       {knownHosts{line(markCA, "ecdsa ca", 1), line(markRevoked, "ed25519 a", 2)}, cert, keyRevoked, 2},
		"revoked authority":          {knownHosts{line(markCA, "ecdsa ca", 1), line(markRevoked, "ecdsa ca", 2)}, cert, keyRevoked, 2},
		"another is revoked":         {knownHosts{line(markNone, "ed25519 a", 1), line(markRevoked, "ed25519 b", 2)}, a, keyKnown, 1},
		"revoked alone, other shown": {knownHosts{line(markRevoked, "ed25519 b", 1)}, a, keyUnknown, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, line := test.known.judge(test.shown)
			if got != test.want {
				t.Fatalf("verdict %v, want %v", got, test.want)
			}
			if line == nil && test.line != 0 || line != nil && line.line != test.line {
				t.Errorf("line %v, want %d", line, test.line)
			}
		})
	}
}

func FuzzKnownHostsLine(f *testing.F) {
	for _, seed := range []string{
		"h ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJjLqe/HnKhCEpq1S2E9+Dk684ad06f7opBk6hu2u7dc x",
		"@cert-authority *.example,!b ssh-ed25519 AAAA", "@revoked\th x", "|1|AAAA|AAAA ssh-rsa AAAA", "h 1024 35 1", "\x00", "@", "! ", "|",
	} {
		f.Add(seed, "h")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		if len(text) > 8192 || len(name) > 1024 { // patterns by names: more is only slow
			t.Skip()
		}
		name = sshpattern.ToLower(name)
		file := knownHostsFile{lines: splitLines(text)}
		for _, known := range file.lookup(name) {
			again, err := parseKeyText(keyText(known.key))
			if err != nil || !sshkey.Same(again, known.key) {
				t.Errorf("the key of %q does not survive: %v", text, err)
			}
			if !matchNames(known.hosts, name) {
				t.Errorf("%q was found for %q", known.hosts, name)
			}
		}
		rewritten, _ := replacement{host: name}.apply(file.lines)
		if len(rewritten) > len(file.lines) {
			t.Errorf("%q grew to %q", file.lines, rewritten)
		}
	})
}
