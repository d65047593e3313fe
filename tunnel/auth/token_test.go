package auth

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/auth/sk/sktest"
)

func TestMain(m *testing.M) { sktest.Main(m) }

// tokenOptions lead to a server that knows a new key in a token, whose helper behaves as told.
func tokenOptions(t *testing.T, server *authServer, kind, how string) (file string, o *config.Options) {
	t.Helper()
	file = sktest.New(t, kind, sktest.Touch).Write(t, t.TempDir())
	server.authorize(t, file)
	o = server.options(t, file)
	o.SecurityKeyProvider, o.SecurityKeyHelper = "internal", sktest.Helper(t, how)
	return file, o
}

// notified is a person who is told things.
type notified struct {
	fakePerson
	mu   sync.Mutex
	told []string
}

func (n *notified) Notify(_ context.Context, text string) func() {
	n.tell(text)
	return func() { n.tell("done") }
}

func (n *notified) tell(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, text)
}

func TestTokenSignsThroughItsHelper(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	for kind, name := range map[string]string{ssh.KeyAlgoSKED25519: "ED25519-SK", ssh.KeyAlgoSKECDSA256: "ECDSA-SK"} {
		file, o := tokenOptions(t, server, kind, "sign")
		person := &notified{}
		c, log := credentials(person)
		var waits []bool
		a, err := loginChanged(t, c, o, func(a *Attempt, _ *config.Options) {
			a.OnPrompt = func(waiting bool) { waits = append(waits, waiting) }
		})
		if err != nil {
			t.Fatal(err)
		}
		public, _ := readPublicHalf(file)
		named := name + " " + ssh.FingerprintSHA256(public)
		if want := []string{"Confirm user presence for key " + named, "done"}; !slices.Equal(person.told, want) {
			t.Errorf("the person was told %q, want %q", person.told, want)
		}
		if !strings.Contains(log.String(), `level=WARN msg="touch the security key" key="`+file+" "+named+`"`) {
			t.Errorf("no word of the touch:\n%s", log)
		}
		if !slices.Equal(waits, []bool{true, false}) || a.Detail() != "publickey "+file+" "+named {
			t.Errorf("waits %v, detail %q", waits, a.Detail())
		}
	}
}

func TestCertificateOfAKeyInAToken(t *testing.T) {
	noLeaks(t)
	ca := authKeygen(t, filepath.Join(t.TempDir(), "ca"))
	server := startAuthServer(t, "TrustedUserCAKeys "+ca+".pub")
	file, o := tokenOptions(t, server, ssh.KeyAlgoSKED25519, "sign")
	server.authorize(t)
	authSign(t, ca, file)
	c, _ := credentials(nil)
	if a, err := login(t, c, o); err != nil || !strings.Contains(a.Detail(), "ED25519-SK-CERT") {
		t.Error(err)
	}
}

func TestEncryptedKeyInAToken(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	for _, cipher := range []string{"aes256-ctr", "aes128-cbc"} {
		file, o := tokenOptions(t, server, ssh.KeyAlgoSKECDSA256, "sign")
		run(t, "", authTool(t, "ssh-keygen"), "-q", "-p", "-a", "2", "-Z", cipher, "-P", "", "-N", "sesame", "-f", file)
		person := &fakePerson{answers: []string{"mistaken", "sesame"}}
		c, _ := credentials(person)
		for range 2 {
			if _, err := login(t, c, o); err != nil {
				t.Fatalf("%s: %v", cipher, err)
			}
		}
		if len(person.prompts) != 2 {
			t.Errorf("%s: asked %s", cipher, person.asked())
		}
		c, _ = credentials(nil)
		_, err := login(t, c, o)
		wantAuthError(t, err, true, "no passphrase")
	}
}

func TestPINOfAToken(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	file, o := tokenOptions(t, server, ssh.KeyAlgoSKED25519, "pin:1234-of-it") // no number: names of directories have numbers
	person := &fakePerson{answers: []string{"1234-of-it"}}
	c, log := credentials(person)
	for range 2 {
		if _, err := login(t, c, o); err != nil {
			t.Fatal(err)
		}
	}
	if want := "Enter PIN for ED25519-SK key " + file + ": "; person.asked() != want {
		t.Errorf("asked %q, want once %q", person.asked(), want)
	}
	if strings.Contains(log.String(), "1234-of-it") {
		t.Errorf("the log tells the PIN:\n%s", log)
	}

	// The token has got another PIN: the one that is remembered is tried once, and never again.
	o.SecurityKeyHelper = sktest.Helper(t, "pin:9999")
	_, err := login(t, c, o)
	wantAuthError(t, err, true, "the token wants its PIN, and nobody gives it", "SSH_ASKPASS")
	person.answers = []string{"0000"}
	_, err = login(t, c, o)
	wantAuthError(t, err, true, "wrong PIN of the token", "locks itself")
	person.answers = []string{"9999"}
	if _, err = login(t, c, o); err != nil {
		t.Error(err)
	}

	c, _ = credentials(person)
	o.BatchMode = true
	_, err = login(t, c, o)
	wantAuthError(t, err, true, "nobody gives it")
}

// sentPINs returns the PINs that helpers were sent.
func sentPINs(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(os.Getenv(sktest.PINs))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// Several tunnels remember a PIN that the token does not take any more: one of them finds out, for all. SSH_ASKPASS may be a program
// that gives the same answer for ever: it does not lock the token either.
func TestPINThatATokenHasRefusedIsNotSentForEver(t *testing.T) {
	noLeaks(t)
	t.Setenv(sktest.PINs, filepath.Join(t.TempDir(), "pins"))
	server := startAuthServer(t)
	file, o := tokenOptions(t, server, ssh.KeyAlgoSKED25519, "pin:9999")
	public, err := readPublicHalf(file)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c, _ := credentials(nil)
		c.rememberAnswer("pin\x00"+string(public.Marshal()), "0000")
		_, err := login(t, c, o)
		wantAuthError(t, err, true, "the token wants its PIN, and nobody gives it")
	}
	if got := sentPINs(t); !slices.Equal(got, []string{"0000"}) {
		t.Errorf("sent %q", got)
	}
	c, _ := credentials(&fakePerson{answers: []string{"0000", "0000", "0000", "0000"}})
	for range 4 {
		_, err := login(t, c, o)
		wantAuthError(t, err, true, "PIN", "lock")
	}
	if got := sentPINs(t); !slices.Equal(got, []string{"0000", "0000"}) {
		t.Errorf("sent %q", got)
	}
	c, _ = credentials(&fakePerson{answers: []string{"9999"}})
	for range 2 {
		if _, err := login(t, c, o); err != nil {
			t.Error(err)
		}
	}
}

// slowPerson answers when it is told to.
type slowPerson struct {
	fakePerson
	asked, answer chan struct{}
}

func (p *slowPerson) Secret(ctx context.Context, prompt string) (string, error) {
	close(p.asked)
	<-p.answer
	return p.fakePerson.Secret(ctx, prompt)
}

// Another tunnel's token signs while a person is asked for the PIN of this one's, and may be away for long.
func TestQuestionForAPINHoldsNoOtherTunnelUp(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	_, locked := tokenOptions(t, server, ssh.KeyAlgoSKED25519, "pin:1234")
	person := &slowPerson{fakePerson: fakePerson{answers: []string{"1234"}}, asked: make(chan struct{}), answer: make(chan struct{})}
	c, _ := credentials(person)
	done := make(chan error, 1)
	go func() {
		_, err := login(t, c, locked)
		done <- err
	}()
	<-person.asked
	other := startAuthServer(t)
	_, o := tokenOptions(t, other, ssh.KeyAlgoSKED25519, "sign")
	c, _ = credentials(nil)
	if _, err := login(t, c, o); err != nil {
		t.Error(err)
	}
	close(person.answer)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTokenThatDoesNotSign(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	for name, test := range map[string]struct {
		change    func(t *testing.T, o *config.Options)
		permanent bool
		says      []string
	}{
		"not plugged in":  {func(t *testing.T, o *config.Options) { o.SecurityKeyHelper = sktest.Helper(t, "error:60") }, false, []string{"no token with this key", "plug in the token"}},
		"helper is gone":  {func(t *testing.T, o *config.Options) { o.SecurityKeyHelper = "/nowhere/helper" }, true, []string{"SSH_SK_HELPER: /nowhere/helper", "correct SSH_SK_HELPER"}},
		"another version": {func(t *testing.T, o *config.Options) { o.SecurityKeyHelper = sktest.Helper(t, "version:9") }, true, []string{"version 9", "SSH_SK_HELPER"}},
		"helper lies":     {func(t *testing.T, o *config.Options) { o.SecurityKeyHelper = sktest.Helper(t, "forge") }, false, []string{"not one of this key"}},
		"no library":      {func(t *testing.T, o *config.Options) { o.SecurityKeyProvider = "/nowhere/sk.so" }, true, []string{"SecurityKeyProvider is of no use: /nowhere/sk.so: no such file"}},
		"wrong library": {func(t *testing.T, o *config.Options) {
			o.SecurityKeyHelper = sktest.Script(t, `echo "x.so is not a library" >&2; exec `+sktest.Helper(t, "error:4"))
		}, true, []string{"x.so is not a library", "SecurityKeyProvider"}},
		"no provider": {func(t *testing.T, o *config.Options) { o.SecurityKeyProvider = "" }, true, []string{"only an agent can use it: ssh-add"}},
		"too open":    {func(t *testing.T, o *config.Options) { os.Chmod(o.IdentityFile[0].Path, 0o644) }, true, []string{"mode 0644 is too open"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := tokenOptions(t, server, ssh.KeyAlgoSKED25519, "sign")
			test.change(t, o)
			c, _ := credentials(nil)
			_, err := login(t, c, o)
			wantAuthError(t, err, test.permanent, test.says...)
		})
	}
}

// The next key is tried where the token does not sign, and while it waits for a touch the attempt can be ended.
func TestTokenIsNotTheOnlyKey(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	file, o := tokenOptions(t, server, ssh.KeyAlgoSKED25519, "error:60")
	plain := authKeygen(t, filepath.Join(t.TempDir(), "plain"))
	server.authorize(t, file, plain)
	o.IdentityFile = append(o.IdentityFile, config.IdentityFile{Path: plain, Explicit: true})
	c, _ := credentials(nil)
	a, err := login(t, c, o)
	if err != nil || !strings.Contains(a.Detail(), plain) {
		t.Errorf("%q, %v", a.Detail(), err)
	}
}
