package hostkey

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestVerdictsAgreeWithSSH(t *testing.T) {
	s := startLiveServer(t)
	name, bare := s.name(), "127.0.0.1"
	other := keyText(testKey(t, "ed25519 a"))
	rsaOnly := setting{"HostKeyAlgorithms", "rsa-sha2-512"}
	strict := func(value string) setting { return setting{"StrictHostKeyChecking", value} }
	command := filepath.Join(t.TempDir(), "command")
	script := "#!/bin/sh\n[ \"$1\" = HOSTNAME ] && [ \"$2\" != NONE ] && [ \"$4\" = 127.0.0.1 ] && echo \"$5 $3 $2\"\ntrue\n"
	if err := os.WriteFile(command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	saysItAll := setting{"KnownHostsCommand", command + " %I %K %t %h %H"}
	revoked := filepath.Join(t.TempDir(), "revoked")
	if err := os.WriteFile(revoked, []byte(keyText(s.keys["ed25519"])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	revocations := filepath.Join(t.TempDir(), "krl")
	mustRun(t, "ssh-keygen", "-q", "-k", "-f", revocations, s.path("ed25519.pub"))
	global := filepath.Join(t.TempDir(), "global")
	if err := os.WriteFile(global, []byte(s.line(name, "ecdsa")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		lines    []string
		settings []setting
		differs  string // why we differ from ssh; empty: we do not
	}{
		"nothing":                  {nil, nil, ""},
		"accept-new":               {[]string{"# comment"}, []setting{strict("accept-new")}, ""},
		"no":                       {nil, []setting{strict("no")}, ""},
		"ask":                      {nil, []setting{strict("ask")}, ""},
		"known":                    {[]string{s.line(name, "ed25519")}, nil, ""},
		"only ecdsa":               {[]string{s.line(name, "ecdsa")}, nil, ""},
		"only rsa":                 {[]string{s.line(name, "rsa")}, nil, ""},
		"rsa with a newer name":    {[]string{name + " rsa-sha2-256 " + strings.Fields(keyText(s.keys["rsa"]))[1]}, nil, ""},
		"another type offered":     {[]string{s.line(name, "ed25519")}, []setting{rsaOnly, strict("accept-new")}, ""},
		"two types offered":        {[]string{s.line(name, "ed25519")}, []setting{{"HostKeyAlgorithms", "rsa-sha2-512,ssh-ed25519"}}, ""},
		"changed":                  {[]string{name + " " + other}, []setting{strict("accept-new")}, ""},
		"changed and known":        {[]string{name + " " + other, s.line(name, "ed25519")}, nil, ""},
		"without port":             {[]string{s.line(bare, "ed25519")}, nil, ""},
		"without port, rsa":        {[]string{s.line(bare, "rsa")}, []setting{strict("accept-new")}, ""},
		"without port, rsa, yes":   {[]string{s.line(bare, "rsa")}, nil, ""},
		"without port, changed":    {[]string{bare + " " + other}, []setting{strict("accept-new")}, ""},
		"pattern":                  {[]string{s.line("[127.0.*]:*", "ed25519")}, nil, ""},
		"pattern without port":     {[]string{s.line("127.0.0.?", "ed25519")}, nil, ""},
		"any":                      {[]string{s.line("*", "ecdsa")}, nil, ""},
		"negated":                  {[]string{s.line("*,!"+bare, "ecdsa")}, nil, ""},
		"negated with port":        {[]string{s.line("*,!"+name, "ecdsa")}, nil, ""},
		"hashed":                   {[]string{s.line(hashName(name, newSalt()), "ed25519")}, nil, ""},
		"hashed without port":      {[]string{s.line(hashName(bare, newSalt()), "ed25519")}, nil, ""},
		"alias":                    {[]string{s.line("alias", "ed25519")}, []setting{{"HostKeyAlias", "Alias"}}, ""},
		"alias hashed":             {[]string{s.line(hashName("alias", newSalt()), "ed25519")}, []setting{{"HostKeyAlias", "ALIAS"}}, ""},
		"alias, new":               {[]string{s.line(name, "ed25519")}, []setting{{"HostKeyAlias", "ALIAS"}, strict("accept-new")}, ""},
		"revoked":                  {[]string{s.line(name, "ed25519"), "@revoked " + s.line("*", "ed25519")}, nil, ""},
		"revoked, other type":      {[]string{s.line(name, "ecdsa"), "@revoked " + s.line("*", "ed25519")}, nil, ""},
		"revoked for another":      {[]string{s.line(name, "ed25519"), "@revoked " + s.line("x", "ed25519")}, nil, ""},
		"revoked, first of a type": {[]string{s.line(name, "ecdsa"), "@revoked " + s.line(name, "ecdsa")}, nil, ""},
		"plain key of authority":   {[]string{"@cert-authority " + s.line("*", "ed25519")}, []setting{strict("accept-new")}, ""},
		"garbage around":           {[]string{"x", name, name + " ssh-ed25519", "@x " + s.line(name, "rsa"), s.line(name, "ed25519") + " c", name + " ssh-new AAAA"}, nil, ""},
		"garbage alone":            {[]string{name + " ssh-ed25519 AAAA", name + " ssh-new AAAA"}, []setting{strict("accept-new")}, ""},
		"carriage returns":         {[]string{s.line(name, "ed25519") + "\r"}, nil, ""},
		"global":                   {nil, []setting{{"GlobalKnownHostsFile", "/missing " + global}}, ""},
		"global contradicts":       {[]string{s.line(name, "ed25519")}, []setting{{"GlobalKnownHostsFile", global}}, ""},
		"global alone, rsa":        {nil, []setting{{"GlobalKnownHostsFile", global}, rsaOnly, strict("accept-new")}, ""},
		"no user file":             {nil, []setting{{"UserKnownHostsFile", "none"}, strict("no")}, ""},
		"no user file, global":     {nil, []setting{{"UserKnownHostsFile", "none"}, {"GlobalKnownHostsFile", global}}, ""},
		"command":                  {nil, []setting{saysItAll}, ""},
		"command contradicted":     {[]string{name + " " + other}, []setting{saysItAll}, ""},
		"command fails":            {[]string{s.line(name, "ed25519")}, []setting{{"KnownHostsCommand", "/bin/false"}}, ""},
		"command missing":          {[]string{s.line(name, "ed25519")}, []setting{{"KnownHostsCommand", "/missing/command"}}, ""},
		"command not absolute":     {[]string{s.line(name, "ed25519")}, []setting{{"KnownHostsCommand", "true"}}, ""},
		"command says nothing":     {nil, []setting{{"KnownHostsCommand", "/bin/true"}, strict("accept-new")}, ""},
		"RevokedHostKeys":          {[]string{s.line(name, "ed25519")}, []setting{{"RevokedHostKeys", revoked}}, ""},
		"RevokedHostKeys, other":   {[]string{s.line(name, "ecdsa")}, []setting{{"RevokedHostKeys", revoked}}, ""},
		"RevokedHostKeys, KRL":     {[]string{s.line(name, "ed25519")}, []setting{{"RevokedHostKeys", revocations}}, ""},
		"RevokedHostKeys missing":  {[]string{s.line(name, "ed25519")}, []setting{{"RevokedHostKeys", "/missing"}}, ""},
		"RevokedHostKeys garbage":  {[]string{s.line(name, "ed25519")}, []setting{{"RevokedHostKeys", command}}, ""},
		"RevokedHostKeys, no":      {[]string{s.line(name, "ed25519")}, []setting{{"RevokedHostKeys", revoked}, strict("no")}, ""},
		"long RSA keys":            {[]string{s.line(name, "rsa")}, []setting{{"RequiredRSASize", "3072"}, rsaOnly}, ""},
		"RSA keys long enough":     {[]string{s.line(name, "rsa")}, []setting{{"RequiredRSASize", "2048"}, rsaOnly}, ""},
		"revoked without port":     {[]string{"@revoked " + s.line(bare, "ed25519")}, []setting{strict("accept-new")}, "a revoked key is refused always"},
		"changed, no":              {[]string{name + " " + other}, []setting{strict("no")}, "ssh connects without forwards"},
		"revoked, no":              {[]string{"@revoked " + s.line(name, "ed25519")}, []setting{strict("no")}, "ssh connects without forwards"},
	}
	accepted := 0
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			if test.differs != "" {
				if ours, _ := s.byUs(t, writeLines(t, test.lines...), test.settings...); ours {
					t.Errorf("accepted, though %s", test.differs)
				}
				return
			}
			if s.compare(t, test.lines, test.settings...) {
				accepted++
			}
		})
	}
	if accepted < 20 || accepted > len(tests)-20 {
		t.Errorf("%d of %d accepted: the cases lean to one side", accepted, len(tests))
	}
}

// A certificate without principals is not among these: it was good for every host until OpenSSH 10.
func TestCertificateVerdictsAgreeWithSSH(t *testing.T) {
	s := startLiveServer(t, "HostCertificate DIR/ed25519-cert.pub")
	s.certify(t, "-n", "127.0.0.1,alias")
	name, authority := s.name(), keyText(s.authority)
	tests := map[string]struct {
		lines    []string
		settings []setting
		certify  []string // options of ssh-keygen for another certificate
	}{
		"authority":                  {[]string{"@cert-authority * " + authority}, nil, nil},
		"authority with port":        {[]string{"@cert-authority " + name + " " + authority}, nil, nil},
		"authority without port":     {[]string{"@cert-authority 127.0.0.1 " + authority}, nil, nil},
		"authority hashed":           {[]string{"@cert-authority " + hashName(name, newSalt()) + " " + authority}, nil, nil},
		"authority of others":        {[]string{"@cert-authority x " + authority}, nil, nil},
		"not marked":                 {[]string{name + " " + authority}, nil, nil},
		"key itself known":           {[]string{s.line(name, "ed25519")}, nil, nil},
		"key itself known, no port":  {[]string{s.line("127.0.0.1", "ed25519")}, nil, nil},
		"unknown, recorded plain":    {nil, []setting{{"StrictHostKeyChecking", "accept-new"}}, nil},
		"alias":                      {[]string{"@cert-authority alias " + authority}, []setting{{"HostKeyAlias", "alias"}}, nil},
		"alias is no principal":      {[]string{"@cert-authority * " + authority}, []setting{{"HostKeyAlias", "other"}}, nil},
		"revoked authority":          {[]string{"@cert-authority * " + authority, "@revoked * " + authority}, nil, nil},
		"revoked key":                {[]string{"@cert-authority * " + authority, "@revoked " + s.line("*", "ed25519")}, nil, nil},
		"rsa known beside authority": {[]string{"@cert-authority * " + authority, s.line(name, "rsa")}, nil, nil},
		"signature not permitted":    {[]string{"@cert-authority * " + authority}, []setting{{"CASignatureAlgorithms", "ssh-ed25519"}}, nil},
		"certificates not offered":   {[]string{"@cert-authority * " + authority}, []setting{{"HostKeyAlgorithms", "ssh-ed25519"}}, nil},
		"key changed, no port known": {[]string{name + " " + keyText(testKey(t, "ed25519 a")), s.line("127.0.0.1", "ed25519")}, nil, nil},
		"other host":                 {[]string{"@cert-authority * " + authority}, nil, []string{"-n", "x,*"}},
		"other host, accept-new":     {[]string{"@cert-authority * " + authority}, []setting{{"StrictHostKeyChecking", "accept-new"}}, []string{"-n", "x"}},
		"expired":                    {[]string{"@cert-authority * " + authority}, nil, []string{"-n", "127.0.0.1", "-V", "20200101:20210101"}},
		"not yet valid":              {[]string{"@cert-authority * " + authority}, nil, []string{"-n", "127.0.0.1", "-V", "20990101:20990102"}},
		"expired, key known":         {[]string{"@cert-authority * " + authority, s.line(name, "ed25519")}, nil, []string{"-n", "127.0.0.1", "-V", "20200101:20210101"}},
		"critical option":            {[]string{"@cert-authority * " + authority}, nil, []string{"-n", "127.0.0.1", "-O", "critical:x@example=y"}},
		"extension":                  {[]string{"@cert-authority * " + authority}, nil, []string{"-n", "127.0.0.1", "-O", "extension:x@example=y"}},
	}
	accepted := 0
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			if test.certify != nil {
				s.certify(t, test.certify...)
				defer s.certify(t, "-n", "127.0.0.1,alias")
			}
			if s.compare(t, test.lines, test.settings...) {
				accepted++
			}
		})
	}
	if accepted < 7 || accepted > len(tests)-7 {
		t.Errorf("%d of %d accepted: the cases lean to one side", accepted, len(tests))
	}
}

// Files made by chance around the server's real keys.
func TestGeneratedFilesAgreeWithSSH(t *testing.T) {
	s := startLiveServer(t)
	keys := []string{keyText(s.keys["ed25519"]), keyText(s.keys["ecdsa"]), keyText(s.keys["rsa"]), keyText(testKey(t, "ed25519 a"))}
	files := 40
	if testing.Short() {
		files = 10
	}
	accepted := 0
	for seed := range files {
		m := &lineMaker{Rand: rand.New(rand.NewPCG(2, uint64(seed))), keys: keys}
		lines := make([]string, 1+m.IntN(4))
		for i := range lines {
			line := strings.NewReplacer("host.example", "127.0.0.1", "2222", strconv.Itoa(s.port), "h?st", "12?").Replace(m.line())
			lines[i] = strings.ReplaceAll(line, "\x00", "")
		}
		strict := m.pick("yes", "yes", "accept-new")
		if strict == "accept-new" && strings.Contains(strings.Join(lines, "\n"), "@revoked") {
			strict = "yes" // there we are the stricter ones
		}
		if s.compare(t, lines, setting{"StrictHostKeyChecking", strict}) {
			accepted++
		}
	}
	t.Logf("%d of %d accepted", accepted, files)
	if accepted < files/6 || accepted > files*5/6 {
		t.Errorf("%d of %d accepted: the files lean to one side", accepted, files)
	}
}

// Dropbear hangs up unless the first host key algorithm is one of its own, so they are offered in the order of known_hosts.
func TestAlgorithmsForDropbear(t *testing.T) {
	dropbear, generate := program(t, "dropbear"), program(t, "dropbearkey")
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			s := &liveServer{dir: t.TempDir(), port: freeLocalPort(t), user: "nobody"}
			output := mustRun(t, generate, "-t", kind, "-f", s.path("key"))
			var key string
			for line := range strings.Lines(output) {
				if _, err := parseKeyText(strings.TrimSpace(line)); err == nil {
					key = strings.TrimSpace(line)
				}
			}
			s.run(t, dropbear, "-F", "-E", "-p", s.address(), "-P", s.path("pid"), "-r", s.path("key"))
			file := writeLines(t, s.name()+" "+key)
			if accepted, err := s.byUs(t, file); !accepted {
				t.Error(err)
			}
		})
	}
}
