package sshconfig

import (
	"github.com/tunneld/tunneld/integration/lab"
	"testing"
)

// A server that answers a login with what makes no sense is broken, which may pass: that is no refusal. A refusal is one.
func TestProtocolErrorInAuthenticationIsNoRefusal(t *testing.T) {
	t.Parallel()
	const failure, question = 51, 60 // RFC 4252 §6, RFC 4256 §5
	type answer = func(*lab.RawConn) error
	send := func(message ...any) answer { return func(c *lab.RawConn) error { return c.Send(message...) } }
	refuse := func(allows string) answer { return send(failure, allows, false) }
	nonsense, short := send(99, "nonsense"), send(failure)
	const key, asks, both = "publickey", "keyboard-interactive", "publickey,keyboard-interactive"
	asked := send(question, "", "", "", uint32(1), "Password: ", false)
	for _, c := range []struct {
		name    string
		answers []answer // to the requests; the last goes for all others
		code    int
		says    string
	}{
		{"nonsense", []answer{nonsense}, 1, "breaks the protocol"},
		{"a number that nobody knows", []answer{send(255)}, 1, "breaks the protocol"},
		{"unimplemented", []answer{send(3, uint32(5))}, 1, "breaks the protocol"},
		{"half a message", []answer{short}, 1, "breaks the protocol"},
		{"nonsense to a key", []answer{refuse(key), nonsense}, 1, "breaks the protocol"},
		{"nonsense to a key, and to the wish to be asked", []answer{refuse(both), nonsense}, 1, "breaks the protocol"},
		{"nonsense to the wish to be asked", []answer{refuse(asks), nonsense}, 1, "breaks the protocol"},
		{"half a message to the wish to be asked", []answer{refuse(asks), short}, 1, "breaks the protocol"},
		{"nonsense to the wish to be asked, after a refused key", []answer{refuse(both), refuse(both), nonsense}, 1, "breaks the protocol"},
		{"half a question", []answer{refuse(asks), send(question, "", "", "", uint32(2), "Password: ", false)}, 1, "breaks the protocol"},
		{"nonsense to an answer", []answer{refuse(asks), asked, nonsense}, 1, "breaks the protocol"},
		{"no", []answer{refuse(key)}, 3, "refused publickey"},
		{"no to all", []answer{refuse("")}, 3, "refused login; the server allows"},
		{"no to the wish to be asked", []answer{refuse(asks)}, 3, "refused keyboard-interactive"},
		{"no to a key and to the wish to be asked", []answer{refuse(both)}, 3, "refused publickey .* and keyboard-interactive"},
		{"no to an answer", []answer{refuse(asks), asked, refuse(asks)}, 3, "refused keyboard-interactive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := lab.StartRawLogin(t, func(conn *lab.RawConn) error { return answerLogins(conn, c.answers) }, func(*lab.RawConn) {})
			a := lab.NewAccount(t)
			a.Trust(server.Address(), server.HostKey)
			lab.WriteFile(t, a.Path("password"), "wrong\n")
			a.Host(lab.Alias, server.Port(), "TunneldPasswordFile "+a.Path("password"))
			a.Expect(c.code, c.says, append([]string{"check", "-F", a.Path("config")}, lab.Forwarded(t)...)...)
		})
	}
}

const msgInfoResponse = 61 // RFC 4256 §5

// answerLogins answers one request after the other, until the client leaves.
func answerLogins(c *lab.RawConn, answers []func(*lab.RawConn) error) error {
	for {
		m, err := c.Read()
		switch {
		case err != nil:
			return err
		case m[0] == lab.MsgServiceRequest:
			f := lab.RawFields{Rest: m[1:]}
			err = c.Send(lab.MsgServiceAccept, f.Text())
		case m[0] == lab.MsgAuthRequest, m[0] == msgInfoResponse:
			err = answers[0](c)
			answers = answers[min(1, len(answers)-1):]
		}
		if err != nil {
			return err
		}
	}
}
