package auth

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// passwordServer is an SSH server in this process, for what sshd does only with PAM.
type passwordServer struct {
	address string
	config  *ssh.ServerConfig

	mu    sync.Mutex
	right string   // the password
	tries []string // authentication requests, as "method: what"
}

// startPasswordServer serves until the end of the test; offer says what it takes.
func startPasswordServer(t *testing.T, offer func(s *passwordServer)) *passwordServer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &passwordServer{address: listener.Addr().String(), config: &ssh.ServerConfig{MaxAuthTries: 10}}
	s.config.AddHostKey(key)
	offer(s)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return s
}

func (s *passwordServer) serve(conn net.Conn) {
	defer conn.Close()
	server, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		channel.Reject(ssh.Prohibited, "no")
	}
	server.Wait()
}

func (s *passwordServer) note(try string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries = append(s.tries, try)
}

// took returns the requests since the last call.
func (s *passwordServer) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	tries := s.tries
	s.tries = nil
	return tries
}

var errNotRight = errors.New("denied")

// password takes the right one.
func (s *passwordServer) password(_ ssh.ConnMetadata, got []byte) (*ssh.Permissions, error) {
	s.note("password: " + string(got))
	s.mu.Lock()
	defer s.mu.Unlock()
	if string(got) != s.right {
		return nil, errNotRight
	}
	return nil, nil
}

func (s *passwordServer) changePassword(right string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.right = right
}

// questions makes the server ask and take one set of answers.
func (s *passwordServer) questions(prompts []string, echos []bool, right ...string) func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	return func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		answers, err := ask("", "please\x1b[1m answer", prompts, echos)
		if err != nil {
			return nil, err
		}
		s.note("keyboard-interactive: " + strings.Join(answers, ","))
		if !slices.Equal(answers, right) {
			return nil, errNotRight
		}
		return nil, nil
	}
}

func (s *passwordServer) wantTries(t *testing.T, want ...string) {
	t.Helper()
	if got := s.took(); !slices.Equal(got, want) {
		t.Errorf("server saw %q, want %q", got, want)
	}
}

func TestPasswordIsAskedOnceAndKept(t *testing.T) {
	noLeaks(t)
	server := startPasswordServer(t, func(s *passwordServer) { s.config.PasswordCallback, s.right = s.password, "right" })
	person := &fakePerson{answers: []string{"wrong", "right"}}
	c, log := credentials(person)
	o := authOptions(t, "bob", server.address)
	for range 2 {
		if _, err := login(t, c, o); err != nil {
			t.Fatal(err)
		}
	}
	server.wantTries(t, "password: wrong", "password: right", "password: right")
	if got, want := person.asked(), "bob@127.0.0.1's password: |bob@127.0.0.1's password: "; got != want {
		t.Errorf("asked %q", got)
	}

	server.changePassword("changed")
	_, err := login(t, c, o)
	wantAuthError(t, err, true, "refused password", "allows password", "TunneldPasswordFile")
	server.wantTries(t, "password: right")
	person.answers = []string{"changed"}
	if _, err := login(t, c, o); err != nil {
		t.Errorf("the person's new password: %v", err)
	}
	if strings.Contains(log.String(), "right") || strings.Contains(err.Error(), "right") {
		t.Errorf("the password is in the log:\n%s", log)
	}
}

// With StrictHostKeyChecking no and no file that keeps keys, whoever answers at the next connection is taken for the server: a person who
// typed a password for one server has not typed it for another, and nobody may be there to see.
func TestAnswersAreNotSentToAnotherServerThatNobodyChecked(t *testing.T) {
	noLeaks(t)
	for _, method := range []string{"password", "keyboard-interactive"} {
		server := askingServer(t, method)
		person := &fakePerson{answers: []string{"right"}}
		c, _ := credentials(person)
		o := authOptions(t, "bob", server.address)
		o.NumberOfPasswordPrompts = 1
		shown := func(fingerprint string) func(*Attempt, *config.Options) {
			return func(a *Attempt, _ *config.Options) {
				a.Known, a.Unchecked = func() bool { return fingerprint == "" }, func() string { return fingerprint }
			}
		}
		for _, fingerprint := range []string{"SHA256:one", "SHA256:one"} { // the second time without asking
			if _, err := loginChanged(t, c, o, shown(fingerprint)); err != nil {
				t.Errorf("%s: %v", method, err)
			}
		}
		server.wantTries(t, method+": right", method+": right")
		loginChanged(t, c, o, shown("SHA256:two"))
		if tries := server.took(); slices.Contains(tries, method+": right") {
			t.Errorf("%s: another server was sent what was typed for the first: %q", method, tries)
		}
		if n := strings.Count(person.asked(), "|"); n != 1 {
			t.Errorf("%s: asked %q, want a question for each server", method, person.asked())
		}
	}
}

// sshd says goodbye to a wrong password that was the last try, and others hang up: it is not sent again, and its owner is asked anew.
func TestWrongPasswordThatEndsTheConnection(t *testing.T) {
	noLeaks(t)
	for name, silent := range map[string]bool{"goodbye": false, "without a word": true} {
		server := startPasswordServer(t, func(s *passwordServer) {
			s.config.MaxAuthTries, s.right = 1, "right"
			s.config.PasswordCallback = func(meta ssh.ConnMetadata, got []byte) (*ssh.Permissions, error) {
				permissions, err := s.password(meta, got)
				if err != nil && silent {
					meta.(io.Closer).Close()
				}
				return permissions, err
			}
		})
		c, _ := credentials(&fakePerson{answers: []string{"wrong", "right", "changed"}})
		o := authOptions(t, "bob", server.address)
		_, err := login(t, c, o)
		wantAuthError(t, err, !silent)
		for range 2 {
			if _, err := login(t, c, o); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		server.wantTries(t, "password: wrong", "password: right", "password: right")
		server.changePassword("changed")
		for range 3 { // one that was right is kept where the connection is lost: that need not have to do with it
			login(t, c, o)
		}
		want := []string{"password: right", "password: changed", "password: changed"}
		if silent {
			want = []string{"password: right", "password: right", "password: right"}
		}
		server.wantTries(t, want...)
	}
}

func TestNumberOfPasswordPrompts(t *testing.T) {
	noLeaks(t)
	server := startPasswordServer(t, func(s *passwordServer) {
		s.config.PasswordCallback, s.right = s.password, "right"
		s.config.KeyboardInteractiveCallback = s.questions([]string{"Password: "}, []bool{false}, "right")
	})
	c, _ := credentials(&fakePerson{answers: strings.Fields("a b c d e f")})
	o := authOptions(t, "bob", server.address)
	o.NumberOfPasswordPrompts = 2
	_, err := login(t, c, o)
	wantAuthError(t, err, true, "refused keyboard-interactive and password")
	server.wantTries(t, "keyboard-interactive: a", "keyboard-interactive: b", "password: c", "password: d")

	c, _ = credentials(&fakePerson{answers: strings.Fields("a b c d e f")})
	o.PreferredAuthentications = []string{"password", "keyboard-interactive"}
	o.KbdInteractiveAuthentication = false
	_, err = login(t, c, o)
	wantAuthError(t, err, true, "refused password")
	server.wantTries(t, "password: a", "password: b")

	person := &fakePerson{answers: strings.Fields("right")}
	c, _ = credentials(person)
	o.BatchMode = true
	_, err = login(t, c, o)
	wantAuthError(t, err, true, "refused login")
	if person.asked() != "" {
		t.Errorf("asked %q under BatchMode", person.asked())
	}
}

func TestKeyboardInteractive(t *testing.T) {
	noLeaks(t)
	server := startPasswordServer(t, func(s *passwordServer) {
		s.config.KeyboardInteractiveCallback = s.questions([]string{"User: ", "Code\x1b[2J: "}, []bool{true, false}, "bob", "123")
	})
	person := &fakePerson{answers: []string{"bob", "123"}}
	c, log := credentials(person)
	for range 2 { // the second time without asking
		if _, err := login(t, c, authOptions(t, "bob", server.address)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := person.asked(), "(bob@127.0.0.1) User: |(bob@127.0.0.1) Code[2J: "; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	if !strings.Contains(log.String(), "please[1m answer") {
		t.Errorf("the server's instruction is not in the log:\n%s", log)
	}
	c, _ = credentials(nil)
	_, err := login(t, c, authOptions(t, "bob", server.address))
	wantAuthError(t, err, true, "allows keyboard-interactive", "SSH_ASKPASS")
}

func TestSHA1SignaturesOnlyWhenConfigured(t *testing.T) {
	noLeaks(t)
	key := authKeygen(t, filepath.Join(t.TempDir(), "key"), "-t", "rsa", "-b", "2048")
	server := startPasswordServer(t, func(s *passwordServer) {
		s.config.PublicKeyAuthAlgorithms = []string{ssh.KeyAlgoRSA}
		s.config.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }
	})
	c, _ := credentials(nil)
	o := authOptions(t, "bob", server.address, key)
	_, err := login(t, c, o)
	wantAuthError(t, err, true, "no signature algorithm in common", "PubkeyAcceptedAlgorithms +ssh-rsa")
	o.PubkeyAcceptedAlgorithms = append(slices.Clone(o.PubkeyAcceptedAlgorithms), "ssh-rsa")
	if _, err := login(t, c, o); err != nil {
		t.Error(err)
	}
}

func TestPartialSuccess(t *testing.T) {
	noLeaks(t)
	directory := t.TempDir()
	wrong := authKeygen(t, filepath.Join(directory, "wrong"))
	right := authKeygen(t, filepath.Join(directory, "right"))
	second := authKeygen(t, filepath.Join(directory, "second"))
	server := startPasswordServer(t, func(s *passwordServer) {
		takes := func(file string) func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
			public, err := readPublicHalf(file)
			if err != nil {
				t.Fatal(err)
			}
			return func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
				s.note("publickey: " + ssh.FingerprintSHA256(key))
				if !sshkey.Same(key, public) {
					return nil, errNotRight
				}
				return nil, nil
			}
		}
		then := func(next ssh.ServerAuthCallbacks, check func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error)) func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
			return func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
				if _, err := check(meta, key); err != nil {
					return nil, err
				}
				return nil, &ssh.PartialSuccessError{Next: next}
			}
		}
		s.right = "right"
		last := ssh.ServerAuthCallbacks{PasswordCallback: s.password}
		s.config.PublicKeyCallback = then(ssh.ServerAuthCallbacks{PublicKeyCallback: then(last, takes(second))}, takes(right))
	})
	person := &fakePerson{answers: []string{"right"}}
	c, _ := credentials(person)
	for range 2 {
		if _, err := login(t, c, authOptions(t, "bob", server.address, wrong, right, second)); err != nil {
			t.Fatal(err)
		}
	}
	if person.asked() != "bob@127.0.0.1's password: " {
		t.Errorf("asked %q", person.asked())
	}
	c, _ = credentials(nil)
	_, err := login(t, c, authOptions(t, "bob", server.address, wrong, right, second))
	wantAuthError(t, err, true, "the server allows password")
}

func TestSessionsAskTogetherOnce(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	key := authKeygen(t, filepath.Join(server.dir, "key"), "-N", "sesame")
	server.authorize(t, key)
	person := &fakePerson{answers: []string{"sesame"}}
	c, _ := credentials(person)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := login(t, c, server.options(t, key)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(person.prompts); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestEncryptedPKCS8(t *testing.T) {
	openssl := authTool(t, "openssl")
	plain := filepath.Join(t.TempDir(), "plain")
	run(t, "", openssl, "genpkey", "-algorithm", "ed25519", "-out", plain)
	for _, arguments := range []string{
		"-v2 aes-128-cbc -v2prf hmacWithSHA512", "-v2 aes-192-cbc -v2prf hmacWithSHA384", "-v2 aes-256-cbc", "-v2 des3 -v2prf hmacWithSHA1",
	} {
		data, err := exec.Command(openssl, append([]string{"pkcs8", "-topk8", "-in", plain, "-passout", "pass:sesame"}, strings.Fields(arguments)...)...).Output()
		if err != nil {
			t.Fatalf("%s: %v", arguments, err)
		}
		if !isEncrypted(data) {
			t.Errorf("%s: not seen as encrypted", arguments)
		}
		if _, err := decrypt(data, "sesame"); err != nil {
			t.Errorf("%s: %v", arguments, err)
		}
		if _, err := decrypt(data, "mistaken"); !errors.Is(err, errWrongPassphrase) {
			t.Errorf("%s: with a wrong passphrase: %v", arguments, err)
		}
	}
}
