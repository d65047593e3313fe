package auth

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// askingServer takes "right" by the methods in its name: password, keyboard-interactive.
func askingServer(t *testing.T, methods ...string) *passwordServer {
	return startPasswordServer(t, func(s *passwordServer) {
		s.right = "right"
		for _, method := range methods {
			switch method {
			case "password":
				s.config.PasswordCallback = s.password
			case "keyboard-interactive":
				s.config.KeyboardInteractiveCallback = s.questions([]string{"Password: "}, []bool{false}, "right")
			}
		}
	})
}

func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is named as a passphrase reaches no server, whether or not a key needs it or is there at all.
func TestPassphraseIsNeverSent(t *testing.T) {
	noLeaks(t)
	directory := t.TempDir()
	encrypted := authKeygen(t, filepath.Join(directory, "encrypted"), "-N", "right")
	for name, keys := range map[string][]config.IdentityFile{
		"no key":                          nil,
		"a key that is encrypted":         {{Path: encrypted, Explicit: true}},
		"a key that is not mounted":       {{Path: filepath.Join(directory, "missing"), Explicit: true}},
		"a default key that is not there": {{Path: filepath.Join(directory, "missing")}},
		"a key with another passphrase":   {{Path: authKeygen(t, filepath.Join(directory, "other"), "-N", "other"), Explicit: true}},
	} {
		for _, method := range []string{"password", "keyboard-interactive"} {
			for _, source := range []string{"TunneldPassphraseFile", "credential"} {
				t.Run(name+", "+method+", "+source, func(t *testing.T) {
					server := askingServer(t, method)
					c, log := credentials(nil)
					o := authOptions(t, "bob", server.address)
					o.IdentityFile = keys
					if file := secretFile(t, "right"); source == "credential" {
						c.GivenPassphrase = func(string) string { return file }
					} else {
						o.PassphraseFile = file
					}
					_, err := login(t, c, o)
					wantAuthError(t, err, true, "TunneldPasswordFile in the Host block of lab")
					server.wantTries(t)
					if strings.Contains(log.String(), "right") {
						t.Errorf("the passphrase is in the log:\n%s", log)
					}
				})
			}
		}
	}
}

func TestStoredPassword(t *testing.T) {
	noLeaks(t)
	both := []string{"password", "keyboard-interactive"}
	for name, c := range map[string]struct {
		methods []string // of the server
		stored  string
		change  func(*Attempt, *config.Options)
		want    []string // what the server saw
		fails   []string // words of the error; nil: logged in
	}{
		"password":                           {methods: both[:1], stored: "right", want: []string{"password: right"}},
		"one hidden question":                {methods: both[1:], stored: "right", want: []string{"keyboard-interactive: right"}},
		"the plain way where there are both": {methods: both, stored: "right", want: []string{"password: right"}},
		"once only after a refusal":          {methods: both, stored: "old", want: []string{"password: old"}, fails: []string{"refused password", "check the password of bob@lab"}},
		"once only to a question":            {methods: both[1:], stored: "old", want: []string{"keyboard-interactive: old"}, fails: []string{"refused keyboard-interactive"}},
		"questions where passwords are switched off": {methods: both, stored: "right", want: []string{"keyboard-interactive: right"},
			change: func(_ *Attempt, o *config.Options) { o.PasswordAuthentication = false }},
		"not to a host that is not known": {methods: both, stored: "right", fails: []string{"put its host key into known_hosts"},
			change: func(a *Attempt, _ *config.Options) { a.Known = func() bool { return false } }},
		"not where nobody has looked": {methods: both, stored: "right", fails: []string{"put its host key into known_hosts"},
			change: func(a *Attempt, _ *config.Options) { a.Known = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			server := askingServer(t, c.methods...)
			memory, log := credentials(nil)
			o := authOptions(t, "bob", server.address)
			o.BatchMode, o.PasswordFile = true, secretFile(t, c.stored)
			_, err := loginChanged(t, memory, o, c.change)
			if c.fails == nil && err != nil {
				t.Error(err)
			} else if c.fails != nil {
				wantAuthError(t, err, true, c.fails...)
			}
			server.wantTries(t, c.want...)
			if strings.Contains(log.String(), c.stored) {
				t.Errorf("the password is in the log:\n%s", log)
			}
		})
	}
}

// A hidden question is not always for the password, and several, or one that is shown, never are.
func TestStoredPasswordAnswersOneHiddenQuestionAlone(t *testing.T) {
	noLeaks(t)
	for name, c := range map[string]struct {
		prompts []string
		echos   []bool
	}{
		"shown":   {[]string{"Name: "}, []bool{true}},
		"several": {[]string{"Password: ", "Code: "}, []bool{false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			server := startPasswordServer(t, func(s *passwordServer) {
				s.config.KeyboardInteractiveCallback = s.questions(c.prompts, c.echos, "right")
			})
			memory, _ := credentials(nil)
			o := authOptions(t, "bob", server.address)
			o.PasswordFile = secretFile(t, "right")
			_, err := login(t, memory, o)
			wantAuthError(t, err, true)
			server.wantTries(t)
		})
	}
	t.Run("behind the password", func(t *testing.T) {
		server := startPasswordServer(t, func(s *passwordServer) {
			s.config.PasswordCallback = func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
				s.note("password: " + string(password))
				return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{
					KeyboardInteractiveCallback: s.questions([]string{"Code: "}, []bool{false}, "123"),
				}}
			}
		})
		memory, _ := credentials(nil)
		o := authOptions(t, "bob", server.address)
		o.PasswordFile = secretFile(t, "right")
		_, err := login(t, memory, o)
		wantAuthError(t, err, true)
		server.wantTries(t, "password: right")
	})
}

// With a person at hand, the password of the file still goes first, and then the person is asked.
func TestStoredPasswordGoesBeforeAPerson(t *testing.T) {
	noLeaks(t)
	server := askingServer(t, "password", "keyboard-interactive")
	person := &fakePerson{answers: []string{"wrong", "right"}}
	c, _ := credentials(person)
	o := authOptions(t, "bob", server.address)
	o.PasswordFile = secretFile(t, "old")
	if _, err := login(t, c, o); err != nil {
		t.Fatal(err)
	}
	server.wantTries(t, "password: old", "keyboard-interactive: wrong", "keyboard-interactive: right")
}

// What a person typed for one server is not sent to another of the same name and port behind a jump host.
func TestAnswersBelongToTheWayToTheServer(t *testing.T) {
	here := &Attempt{options: authOptions(t, "bob", "127.0.0.1:22")}
	behind := &Attempt{options: authOptions(t, "bob", "127.0.0.1:22")}
	behind.options.Via = authOptions(t, "bob", "127.0.0.1:2222")
	if here.answerKey("password") == behind.answerKey("password") {
		t.Error("one memory for two servers")
	}
}

// A file that nobody writes to must not stop the attempt.
func TestSecretFileThatIsAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.WriteString("right\n")
	w.Close()
	if secret, err := readSecretFile(t.Context(), fmt.Sprint("/dev/fd/", r.Fd())); err != nil || secret != "right" {
		t.Errorf("%q, %v", secret, err)
	}
}
