package auth

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/tunneld/tunneld/tunnel/fault"
)

func TestPublicKeyFileNamesAKeyOfTheAgent(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	wanted := authKeygen(t, filepath.Join(server.dir, "wanted"))
	other := authKeygen(t, filepath.Join(server.dir, "other"))
	agent := startAuthAgent(t, "")
	agent.add(t, other, wanted)
	server.authorize(t, wanted)
	os.Remove(wanted)
	o := server.options(t, wanted+".pub")
	o.IdentityAgent, o.IdentitiesOnly = agent.socket, true
	c, _ := credentials(nil)
	a, err := login(t, c, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.offers) != 1 {
		t.Errorf("offered %v", a.offered())
	}
	if got, want := a.Detail(), "publickey "+wanted+".pub ED25519 SHA256:"; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, " agent") {
		t.Errorf("logged in with %q, want %q… agent", got, want)
	}
}

func TestRefusingAgentDoesNotEndTheAttempt(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	refused := authKeygen(t, filepath.Join(server.dir, "refused"))
	good := authKeygen(t, filepath.Join(server.dir, "good"))
	agent := startAuthAgent(t, "")
	agent.add(t, "-c", refused) // nobody is there to confirm
	server.authorize(t, refused, good)
	c, _ := credentials(nil)

	o := server.options(t, good)
	o.IdentityAgent = agent.socket
	if _, err := login(t, c, o); err != nil {
		t.Errorf("the file was not tried: %v", err)
	}
	o.IdentityFile = nil
	_, err := login(t, c, o)
	wantAuthError(t, err, false, "accepted, but the agent does not sign", "ssh-add -c")

	// The same key from a file signs where the agent does not.
	o = server.options(t, refused+".pub", refused)
	o.IdentityAgent = agent.socket
	if _, err := login(t, c, o); err != nil {
		t.Errorf("the file with the refused key was not tried: %v", err)
	}
}

func TestDeadAgentIsTransient(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	key := authKeygen(t, filepath.Join(server.dir, "key"))
	server.authorize(t, key)
	c, _ := credentials(nil)
	o := server.options(t)
	o.IdentityAgent = filepath.Join(server.dir, "nobody")
	_, err := login(t, c, o)
	wantAuthError(t, err, false, "agent not asked", o.IdentityAgent, "SSH_AUTH_SOCK")

	t.Run("a key of its own is refused", func(t *testing.T) {
		stranger := authKeygen(t, filepath.Join(server.dir, "stranger"))
		o := server.options(t, stranger)
		o.IdentityAgent = filepath.Join(server.dir, "nobody")
		_, err := login(t, c, o)
		wantAuthError(t, err, true, "offered 1 key", "ssh-copy-id -i "+stranger+".pub")
	})
	t.Run("a key of its own is accepted", func(t *testing.T) {
		o := server.options(t, key)
		o.IdentityAgent = filepath.Join(server.dir, "nobody")
		if _, err := login(t, c, o); err != nil {
			t.Error(err)
		}
	})
}

func TestRestartedAgentServesTheNextAttempt(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	key := authKeygen(t, filepath.Join(server.dir, "key"))
	server.authorize(t, key)
	first := startAuthAgent(t, "")
	first.add(t, key)
	c, _ := credentials(nil)
	o := server.options(t)
	o.IdentityAgent = first.socket
	if _, err := login(t, c, o); err != nil {
		t.Fatal(err)
	}
	first.stop()
	if _, err := login(t, c, o); err == nil || fault.IsPermanent(err) {
		t.Errorf("without the agent: %v", err)
	}
	startAuthAgent(t, first.socket).add(t, key)
	if _, err := login(t, c, o); err != nil {
		t.Errorf("after the agent's restart: %v", err)
	}
}

func TestMuteAgentIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go func() { // reads and never answers
			buffer := make([]byte, 1024)
			for {
				if _, err := far.Read(buffer); err != nil {
					return
				}
			}
		}()
		g := &agentConnection{path: "pipe", conn: near, client: agent.NewClient(near)}
		if _, err := g.keys(t.Context()); err == nil || !strings.Contains(err.Error(), "no answer within 5s") {
			t.Errorf("listing: %v", err)
		}
		far.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			far.Read(make([]byte, 1024))
			cancel()
		}()
		g := &agentConnection{path: "pipe", conn: near, client: agent.NewClient(near)}
		if _, err := g.sign(ctx, softToken(t).key.PublicKey(), nil, ""); !errors.Is(err, context.Canceled) {
			t.Errorf("signing: %v", err)
		}
		far.Close()
	})
}

// token is an agent with one FIDO key, made of software.
type token struct {
	agent.Agent
	key    ssh.Signer
	public []byte
}

func softToken(t *testing.T) *token {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public := ssh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, private.Public().(ed25519.PublicKey), "ssh:"})
	return &token{Agent: agent.NewKeyring(), key: signer, public: public}
}

func (k *token) List() ([]*agent.Key, error) {
	return []*agent.Key{{Format: ssh.KeyAlgoSKED25519, Blob: k.public, Comment: "token"}}, nil
}

// Sign is what a token does (PROTOCOL.u2f): it signs the application, flags, a counter and the data.
func (k *token) Sign(_ ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	application, message := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	tail := []byte{1, 0, 0, 0, 7} // a person was there; counter 7
	signature, err := k.key.Sign(rand.Reader, bytes.Join([][]byte{application[:], tail, message[:]}, nil))
	if err != nil {
		return nil, err
	}
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: signature.Blob, Rest: tail}, nil
}

// serveAgent answers on a socket of its own.
func serveAgent(t *testing.T, a agent.Agent) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(directory, "s"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			agent.ServeAgent(a, conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
		os.RemoveAll(directory)
	})
	return listener.Addr().String()
}

func TestTokenSignsThroughTheAgent(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	token := softToken(t)
	public, err := ssh.ParsePublicKey(token.public)
	if err != nil {
		t.Fatal(err)
	}
	line := ssh.MarshalAuthorizedKey(public)
	os.WriteFile(server.authorizedKeys(), line, 0o600)
	file := filepath.Join(server.dir, "id_ed25519_sk")
	os.WriteFile(file+".pub", line, 0o600)

	c, log := credentials(nil)
	o := server.options(t, file)
	_, err = login(t, c, o)
	wantAuthError(t, err, true, file, "ssh-add")
	if !strings.Contains(log.String(), "only an agent can use it") {
		t.Errorf("no warning:\n%s", log)
	}
	var waits []bool
	o.IdentityAgent = serveAgent(t, token)
	a, err := c.Begin(t.Context(), o, c.log)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	a.OnPrompt = func(waiting bool) { waits = append(waits, waiting) }
	cfg := &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	a.Configure(cfg)
	client, err := ssh.Dial("tcp", o.Address(), cfg)
	if err != nil {
		t.Fatal(a.Failure(err))
	}
	client.Close()
	client.Wait()
	if len(waits) != 2 || !waits[0] || waits[1] {
		t.Errorf("the wait for the touch was told as %v", waits)
	}
}
