package integration

import "testing"

// A server that answers a login with what makes no sense is broken, which may pass: that is no refusal. A refusal is one.
func TestProtocolErrorInAuthenticationIsNoRefusal(t *testing.T) {
	t.Parallel()
	const failure = 51 // RFC 4252 §6
	refuse := func(c *rawConn) error { return c.send(failure, "publickey", false) }
	nonsense := func(c *rawConn) error { return c.send(99, "nonsense") }
	short := func(c *rawConn) error { return c.send(failure) }
	for _, c := range []struct {
		name    string
		answers []func(*rawConn) error // to the requests; the last goes for all others
		code    int
		says    string
	}{
		{"nonsense", []func(*rawConn) error{nonsense}, 1, "breaks the protocol"},
		{"half a message", []func(*rawConn) error{short}, 1, "breaks the protocol"},
		{"nonsense to a key", []func(*rawConn) error{refuse, nonsense}, 1, "breaks the protocol"},
		{"no", []func(*rawConn) error{refuse}, 3, "refused publickey"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := startRawLogin(t, func(conn *rawConn) error { return answerLogins(conn, c.answers) }, func(*rawConn) {})
			a := newAccount(t)
			a.trust(server.address(), server.hostKey)
			a.host(alias, server.port())
			a.expect(c.code, c.says, append([]string{"check", "-F", a.path("config")}, forwarded(t)...)...)
		})
	}
}

// answerLogins answers one request after the other, until the client leaves.
func answerLogins(c *rawConn, answers []func(*rawConn) error) error {
	for {
		m, err := c.read()
		switch {
		case err != nil:
			return err
		case m[0] == msgServiceRequest:
			f := rawFields{m[1:]}
			err = c.send(msgServiceAccept, f.text())
		case m[0] == msgAuthRequest:
			err = answers[0](c)
			answers = answers[min(1, len(answers)-1):]
		}
		if err != nil {
			return err
		}
	}
}
