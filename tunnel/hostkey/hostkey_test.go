package hostkey

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// answers is an Asker that says the same each time.
type answers struct {
	yes    bool
	err    error
	asked  int
	prompt string
	also   string // what stands for yes
}

func (a *answers) Secret(context.Context, string) (string, error) {
	return "", errors.New("nobody is there")
}

func (a *answers) Confirm(_ context.Context, prompt, also string) (bool, error) {
	a.asked++
	a.prompt, a.also = prompt, also
	return a.yes, a.err
}

// hostCase is one check of the key "ed25519 a" of host.example, port 2222 unless said otherwise.
type hostCase struct {
	lines    []string // of the user's file
	global   []string
	shown    ssh.PublicKey // nil: ed25519 a
	strict   config.StrictHostKeyChecking
	set      func(*config.Options)
	remote   net.Addr
	ask      *answers
	want     string   // part of the error; empty: accepted
	hint     string   // part of the hint
	recorded string   // names that are written to the user's file; empty: none
	asked    int      // how often a person was asked
	keep     bool     // further keys may be learned by this one
	prompt   []string // parts of the question
}

func TestCheck(t *testing.T) {
	a, b := testKey(t, "ed25519 a"), testKey(t, "ed25519 b")
	held, changed := hostLine(t, "[host.example]:2222", "ed25519 a"), hostLine(t, "[host.example]:2222", "ed25519 b")
	portless := hostLine(t, "host.example", "ed25519 a")
	yes, no := func() *answers { return &answers{yes: true} }, func() *answers { return &answers{} }
	direct := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 2222}
	checkIP := func(o *config.Options) { o.CheckHostIP = true }
	const address = "[192.0.2.1]:2222"

	tests := map[string]hostCase{
		"known":               {lines: []string{held}, keep: true},
		"known globally":      {global: []string{held}},
		"known in capitals":   {lines: []string{strings.ToUpper("[host.example]") + held[14:]}, keep: true},
		"known without port":  {lines: []string{portless}},
		"port 22":             {lines: []string{portless}, set: func(o *config.Options) { o.Port = 22 }, keep: true},
		"changed":             {lines: []string{"# 1", changed}, want: "has changed: the server shows ssh-ed25519 " + ssh.FingerprintSHA256(a), hint: "ssh-keygen -R '[host.example]:2222' -f /"},
		"changed, old shown":  {lines: []string{"# 1", changed}, want: "known_hosts:2 holds ssh-ed25519 " + ssh.FingerprintSHA256(b)},
		"changed by pattern":  {lines: []string{hostLine(t, "*", "ed25519 b")}, want: "has changed", hint: "edit /"},
		"changed globally":    {global: []string{changed}, want: "has changed"},
		"changed, no":         {lines: []string{changed}, strict: config.StrictNo, want: "has changed"},
		"changed, accept-new": {lines: []string{changed}, strict: config.StrictAcceptNew, want: "has changed"},
		"changed, asked":      {lines: []string{changed}, strict: config.StrictAsk, ask: yes(), want: "has changed"},
		"another type is held": {lines: []string{hostLine(t, "[host.example]:2222", "rsa a")}, strict: config.StrictNo,
			want: "has changed"},
		"other port changed": {lines: []string{hostLine(t, "host.example", "ed25519 b")}, strict: config.StrictAcceptNew, recorded: "[host.example]:2222"},

		"unknown": {want: "no host key is known for [host.example]:2222; the server shows ssh-ed25519 " + ssh.FingerprintSHA256(a),
			hint: "ssh -p 2222 host, or: ssh-keyscan -p 2222 host.example >> /"},
		"unknown through a jump host": {set: func(o *config.Options) { o.Via = &config.Options{} }, want: "no host key is known", hint: "type once: ssh -p 2222 host, or set"},
		"unknown, accept-new":         {strict: config.StrictAcceptNew, recorded: "[host.example]:2222"},
		"unknown, no":                 {strict: config.StrictNo, recorded: "[host.example]:2222"},
		"unknown, asked, yes": {strict: config.StrictAsk, ask: yes(), asked: 1, recorded: "[host.example]:2222", keep: true,
			lines:  []string{hostLine(t, "elsewhere", "ed25519 a")},
			prompt: []string{"'[host.example]:2222'", ssh.FingerprintSHA256(a), "known_hosts:1: elsewhere"}},
		"unknown, asked, no":       {strict: config.StrictAsk, ask: no(), asked: 1, want: "was not confirmed"},
		"unknown, nobody to ask":   {strict: config.StrictAsk, want: "no host key is known"},
		"unknown, nobody answers":  {strict: config.StrictAsk, ask: &answers{err: errors.New("no terminal")}, asked: 1, want: "no host key is known"},
		"unknown, batch mode":      {strict: config.StrictAsk, ask: yes(), set: func(o *config.Options) { o.BatchMode = true }, want: "no host key is known"},
		"unknown, nothing set":     {strict: "", want: "no host key is known"},
		"authority's own key":      {lines: []string{"@cert-authority " + held}, want: "no host key is known"},
		"alias":                    {lines: []string{hostLine(t, "name", "ed25519 a")}, set: func(o *config.Options) { o.HostKeyAlias = "NAME" }, keep: true},
		"alias, real name held":    {lines: []string{held}, set: func(o *config.Options) { o.HostKeyAlias = "name" }, want: "no host key is known for name;"},
		"alias, recorded":          {strict: config.StrictNo, set: func(o *config.Options) { o.HostKeyAlias = "Name" }, recorded: "name"},
		"no place to remember":     {strict: config.StrictNo, set: func(o *config.Options) { o.UserKnownHostsFile = nil }, want: "UserKnownHostsFile none leaves no place"},
		"name not to be written":   {strict: config.StrictNo, set: func(o *config.Options) { o.HostName = "a*b" }, want: "cannot be written"},
		"not writable":             {strict: config.StrictNo, set: func(o *config.Options) { o.UserKnownHostsFile = []string{"/dev/null/x"} }},
		"a directory in its place": {strict: config.StrictNo, set: func(o *config.Options) { o.UserKnownHostsFile = []string{"/dev"} }},
		"second file":              {lines: []string{held}, set: func(o *config.Options) { o.UserKnownHostsFile = append([]string{"/missing"}, o.UserKnownHostsFile...) }, keep: true},

		"revoked":                     {lines: []string{held, "@revoked " + held}, want: "is marked @revoked at"},
		"revoked, no":                 {lines: []string{held, "@revoked * " + keyText(a)}, strict: config.StrictNo, want: "known_hosts:2"},
		"revoked without port":        {lines: []string{"@revoked " + portless}, strict: config.StrictAcceptNew, want: "is marked @revoked"},
		"revoked for another host":    {lines: []string{held, "@revoked other " + keyText(a)}, keep: true},
		"revoked, unmarked elsewhere": {lines: []string{"@revoked " + held}, global: []string{held}, want: "is marked @revoked"},

		"short RSA key":     {shown: testKey(t, "rsa1024 a"), lines: []string{hostLine(t, "[host.example]:2222", "rsa1024 a")}, set: func(o *config.Options) { o.RequiredRSASize = 2048 }, want: "1024 bits, RequiredRSASize asks for 2048"},
		"RSA key by choice": {shown: testKey(t, "rsa1024 a"), lines: []string{hostLine(t, "[host.example]:2222", "rsa1024 a")}, set: func(o *config.Options) { o.RequiredRSASize = 1024 }, keep: true},
		"type not offered":  {lines: []string{held}, set: func(o *config.Options) { o.HostKeyAlgorithms = []string{ssh.KeyAlgoRSASHA256} }, want: "which was not offered"},

		"address unknown":           {lines: []string{held}, set: checkIP, remote: direct, recorded: address, keep: true},
		"address known":             {lines: []string{held, address + " " + keyText(a)}, set: checkIP, remote: direct, keep: true},
		"address known globally":    {lines: []string{held}, global: []string{address + " " + keyText(a)}, set: checkIP, remote: direct},
		"both unknown":              {strict: config.StrictNo, set: checkIP, remote: direct, recorded: "[host.example]:2222," + address},
		"address differs":           {lines: []string{held, address + " " + keyText(b)}, set: checkIP, remote: direct, want: "known_hosts:2 holds for the address", hint: "ssh-keygen -R '[192.0.2.1]:2222'"},
		"address differs, new":      {lines: []string{address + " " + keyText(b)}, strict: config.StrictAcceptNew, set: checkIP, remote: direct, want: "for the address", recorded: "[host.example]:2222"},
		"address differs, no":       {lines: []string{held, address + " " + keyText(b)}, strict: config.StrictNo, set: checkIP, remote: direct, keep: true},
		"address differs, yes":      {lines: []string{held, address + " " + keyText(b)}, strict: config.StrictAsk, ask: yes(), asked: 1, set: checkIP, remote: direct, keep: true},
		"address differs, not said": {lines: []string{held, address + " " + keyText(b)}, strict: config.StrictAsk, ask: no(), asked: 1, set: checkIP, remote: direct, want: "was not confirmed"},
		"address revoked":           {lines: []string{held, "@revoked " + address + " " + keyText(a)}, set: checkIP, remote: direct, want: "@revoked"},
		"address is not looked at":  {lines: []string{held, address + " " + keyText(b)}, remote: direct, keep: true},
		"this machine":              {lines: []string{held}, set: checkIP, remote: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2222}, keep: true},
		"address through a program": {lines: []string{held}, set: func(o *config.Options) { o.CheckHostIP, o.ProxyCommand = true, "nc" }, remote: direct, keep: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test.run(t) })
	}
}

func (c hostCase) run(t *testing.T) {
	before := strings.Join(append(c.lines, ""), "\n")
	file := writeLines(t, c.lines...)
	o := hostOptions(t, 2222, file)
	o.GlobalKnownHostsFile = []string{writeLines(t, c.global...)}
	o.StrictHostKeyChecking = c.strict
	if c.strict == "" && c.want != "no host key is known" {
		o.StrictHostKeyChecking = config.StrictYes
	}
	if c.set != nil {
		c.set(o)
	}
	if c.shown == nil {
		c.shown = testKey(t, "ed25519 a")
	}
	var ask Asker
	if c.ask != nil {
		ask = c.ask
	}
	h := newTestHostKeys(t, o, ask)
	err := h.Check(t.Context(), c.remote, c.shown)
	c.compare(t, err)
	if c.ask != nil && c.ask.asked != c.asked {
		t.Errorf("asked %d times", c.ask.asked)
	}
	for _, part := range c.prompt {
		if !strings.Contains(c.ask.prompt, part) {
			t.Errorf("the question %q has no %q", c.ask.prompt, part)
		}
	}
	if c.prompt != nil && c.ask.also != ssh.FingerprintSHA256(c.shown) {
		t.Errorf("%q stands for yes, want the fingerprint", c.ask.also)
	}
	added := strings.TrimPrefix(readFile(t, file), before)
	want := ""
	if c.recorded != "" {
		want = c.recorded + " " + keyText(c.shown) + "\n"
	}
	if added != want {
		t.Errorf("written down %q, want %q", added, want)
	}
	if err == nil {
		if h.accepted.Load().learnable != c.keep {
			t.Errorf("learnable: %v", !c.keep)
		}
		if err := h.Check(t.Context(), c.remote, c.shown); err != nil || c.ask != nil && c.ask.asked != c.asked {
			t.Errorf("the next key exchange looks again: %v", err)
		}
	}
}

func (c hostCase) compare(t *testing.T, err error) {
	t.Helper()
	if c.want == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var e *fault.Error
	if !errors.As(err, &e) || e.Phase != fault.PhaseHostKey || !e.Permanent {
		t.Fatalf("error %#v", err)
	}
	if !strings.Contains(err.Error(), c.want) {
		t.Errorf("error %q, want %q", err, c.want)
	}
	if !strings.Contains(e.Hint, c.hint) {
		t.Errorf("hint %q, want %q", e.Hint, c.hint)
	}
}

// A key that was trusted at first does not vouch for another one in a later key exchange.
func TestCheckOfAnotherKeyLater(t *testing.T) {
	h := newTestHostKeys(t, hostOptions(t, 22, writeLines(t, hostLine(t, "host.example", "ed25519 a"))), nil)
	if err := h.Check(t.Context(), nil, testKey(t, "ed25519 a")); err != nil {
		t.Fatal(err)
	}
	if err := h.Check(t.Context(), nil, testKey(t, "ed25519 b")); err == nil {
		t.Error("another key was accepted")
	}
}

func TestConfirmEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := hostOptions(t, 22, writeLines(t))
	o.StrictHostKeyChecking = config.StrictAsk
	err := newTestHostKeys(t, o, &answers{yes: true}).Check(ctx, nil, testKey(t, "ed25519 a"))
	if err == nil || fault.IsPermanent(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestHostCertificates(t *testing.T) {
	authority := "@cert-authority *.example " + keyText(testKey(t, "ecdsa ca"))
	infinity := func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = 0, ssh.CertTimeInfinity }
	tests := map[string]struct {
		lines  []string
		change func(*ssh.Certificate)
		set    func(*config.Options)
		want   string // part of the error; empty: accepted
	}{
		"certified":                {lines: []string{"@cert-authority *.example* " + keyText(testKey(t, "ecdsa ca"))}},
		"authority without port":   {lines: []string{authority}},
		"authority of others":      {lines: []string{"@cert-authority *.org " + keyText(testKey(t, "ecdsa ca"))}, want: "no host key is known"},
		"no authority":             {lines: []string{hostLine(t, "host.example", "ecdsa ca")}, want: "no host key is known"},
		"expired":                  {lines: []string{authority}, change: func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Unix()) }, want: "no host key is known"},
		"for ever":                 {lines: []string{authority}, change: infinity},
		"for a user":               {lines: []string{authority}, change: func(c *ssh.Certificate) { c.CertType = ssh.UserCert }, want: "no host key is known"},
		"for another host":         {lines: []string{authority}, change: func(c *ssh.Certificate) { c.ValidPrincipals = []string{"x", "*"} }, want: "no host key is known"},
		"for every host":           {lines: []string{authority}, change: func(c *ssh.Certificate) { c.ValidPrincipals = nil }, want: "no host key is known"},
		"with a critical option":   {lines: []string{authority}, change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"x": "y"} }, want: "no host key is known"},
		"with an extension":        {lines: []string{authority}, change: func(c *ssh.Certificate) { c.Extensions = map[string]string{"x": "y"} }},
		"expired, plain key held":  {lines: []string{authority, hostLine(t, "[host.example]:2222", "ed25519 a")}, change: func(c *ssh.Certificate) { c.ValidBefore = 1 }},
		"plain key held":           {lines: []string{hostLine(t, "[host.example]:2222", "ed25519 a")}},
		"plain key changed":        {lines: []string{hostLine(t, "[host.example]:2222", "ed25519 b")}, want: "has changed"},
		"changed beside authority": {lines: []string{authority, hostLine(t, "[host.example]:2222", "ed25519 b")}},
		"revoked authority":        {lines: []string{authority, "@revoked * " + keyText(testKey(t, "ecdsa ca"))}, want: "@revoked"},
		"revoked key":              {lines: []string{authority, "@revoked * " + keyText(testKey(t, "ed25519 a"))}, want: "@revoked"},
		"signature not permitted":  {lines: []string{authority}, set: func(o *config.Options) { o.CASignatureAlgorithms = []string{ssh.KeyAlgoED25519} }, want: "no host key is known"},
		"alias is the principal":   {lines: []string{"@cert-authority name " + keyText(testKey(t, "ecdsa ca"))}, change: func(c *ssh.Certificate) { c.ValidPrincipals = []string{"name"} }, set: func(o *config.Options) { o.HostKeyAlias = "Name" }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := hostOptions(t, 2222, writeLines(t, test.lines...))
			if test.set != nil {
				test.set(o)
			}
			h := newTestHostKeys(t, o, nil)
			err := h.Check(t.Context(), nil, testCertificate(t, "ed25519 a", "ecdsa ca", test.change))
			hostCase{want: test.want}.compare(t, err)
			if err == nil && !strings.HasPrefix(name, "plain") && !strings.HasPrefix(name, "expired") && h.accepted.Load().learnable {
				t.Error("keys may be learned by a certificate")
			}
		})
	}
}

// A certificate that says to be the authority's, and is not.
func TestForgedHostCertificate(t *testing.T) {
	h := newTestHostKeys(t, hostOptions(t, 22, writeLines(t, "@cert-authority * "+keyText(testKey(t, "ecdsa ca")))), nil)
	forged := testCertificate(t, "ed25519 a", "ecdsa ca", nil)
	forged.Key = testKey(t, "ed25519 b")
	if err := h.Check(t.Context(), nil, forged); err == nil {
		t.Error("a forged certificate was accepted")
	}
}

func TestRevokedHostKeysText(t *testing.T) {
	a, cert := testKey(t, "ed25519 a"), testCertificate(t, "ed25519 a", "ecdsa ca", nil)
	held := []string{hostLine(t, "host.example", "ed25519 a"), "@cert-authority * " + keyText(testKey(t, "ecdsa ca"))}
	tests := map[string]struct {
		list  []string
		shown ssh.PublicKey
		want  string
	}{
		"others":        {[]string{"# x", "", keyText(testKey(t, "rsa a")) + " old"}, a, ""},
		"the key":       {[]string{"\t" + keyText(testKey(t, "rsa a")), keyText(a) + " stolen\r"}, a, "is revoked by"},
		"certified key": {[]string{keyText(a)}, cert, "is revoked by"},
		"authority":     {[]string{keyText(testKey(t, "ecdsa ca"))}, cert, "is revoked by"},
		"garbage":       {[]string{"x y z"}, a, "cannot be used, so that no host key can be trusted: "},
		"garbage below": {[]string{keyText(a), "x y z"}, a, "is revoked by"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := hostOptions(t, 22, writeLines(t, held...))
			o.RevokedHostKeys = []string{writeLines(t), writeLines(t, test.list...)}
			hostCase{want: test.want}.compare(t, newTestHostKeys(t, o, nil).Check(t.Context(), nil, test.shown))
		})
	}
	o := hostOptions(t, 22, writeLines(t, held...))
	o.RevokedHostKeys = []string{filepath.Join(t.TempDir(), "missing")}
	err := newTestHostKeys(t, o, nil).Check(t.Context(), nil, a)
	if !errors.Is(err, os.ErrNotExist) || !fault.IsPermanent(err) {
		t.Errorf("missing file: %v", err)
	}
}

func TestShellQuote(t *testing.T) {
	for word, want := range map[string]string{
		"a.b-c_1": "a.b-c_1", "~/.ssh/x": "~/.ssh/x", "[h]:22": "'[h]:22'", "": "''", "it's": `'it'\''s'`, "a b": "'a b'", "$x": "'$x'",
	} {
		if got := fault.ShellQuote(word); got != want {
			t.Errorf("shellQuote(%q) = %s", word, got)
		}
	}
}
