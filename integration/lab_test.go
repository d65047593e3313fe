package integration

import (
	"net"
	"slices"
	"testing"
)

// lab is what most tests need: an sshd, a relay in front of it, and an account whose alias "server" leads through the
// relay.
type lab struct {
	t       testing.TB
	server  *sshd
	relay   *relay
	account *account
	prefix  []string // words before the program, for example to enter a network namespace
	plain   bool     // tunneld without the race detector, because it is measured
}

// alias is the name in ssh_config of the lab's server.
const alias = "server"

// newLab starts a server and a relay, and writes the account's files. The lines are of ssh_config(5), for the alias.
func newLab(t testing.TB, lines ...string) *lab {
	t.Helper()
	return labOf(t, startSSHD(t), lines...)
}

// labOf is newLab with a server that runs already.
func labOf(t testing.TB, server *sshd, lines ...string) *lab {
	t.Helper()
	l := &lab{t: t, server: server, relay: startRelay(t, server.address()), account: newAccount(t)}
	server.authorize(l.account.key)
	l.account.trust(l.relay.address(), server.hostKey)
	l.options(lines...)
	return l
}

// options writes the alias anew with these lines of ssh_config(5).
func (l *lab) options(lines ...string) {
	l.t.Helper()
	l.account.forget()
	l.account.host(alias, l.relay.port, lines...)
}

// program is one that keeps forwards open.
type program string

// The programs under test: ours, and those it is measured against.
const (
	tunneld program = "tunneld"
	openSSH program = "ssh"
	autossh program = "autossh"
)

// start runs a program with the alias and these options of ssh(1).
func (l *lab) start(p program, flags ...string) *child {
	l.t.Helper()
	flags = append([]string{"-F", l.account.path("config"), "-o", "ExitOnForwardFailure=yes"}, flags...)
	switch p {
	case openSSH:
		need(l.t, "ssh")
		return l.account.run(p, l.words("ssh", "-N", alias, flags))
	case autossh:
		need(l.t, "ssh", "autossh")
		return l.account.run(p, l.words("autossh", "-M", "0", "-N", flags, alias))
	default:
		binary := l.account.binary()
		if l.plain {
			binary = l.account.plainBinary()
		}
		c := l.account.run(p, l.words(binary, "up", alias, "--log-format", "json", "--log-level", "debug", flags[:2], flags[4:]))
		l.account.noRaces(c)
		return c
	}
}

// words puts the prefix in front of words and lists of words.
func (l *lab) words(parts ...any) []string {
	words := slices.Clone(l.prefix)
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			words = append(words, part)
		case []string:
			words = append(words, part...)
		}
	}
	return words
}

// open starts a program with the flags of all routes and waits until each carries.
func (l *lab) open(p program, routes []route, flags ...string) *child {
	l.t.Helper()
	for _, r := range routes {
		flags = append(flags, r.flags...)
	}
	c := l.start(p, flags...)
	if p == tunneld {
		waitUp(l.t, c, 0) // its local listeners accept before that
	}
	l.waitCarrying(c, routes...)
	return c
}

// waitCarrying waits until a connection through each route is accepted.
func (l *lab) waitCarrying(c *child, routes ...route) {
	l.t.Helper()
	for _, r := range routes {
		var last error
		if !within(patience, func() bool {
			var conn net.Conn
			if conn, last = r.dial(); last == nil {
				conn.Close()
			}
			return last == nil || !c.running()
		}) || last != nil {
			l.t.Fatalf("%s does not carry %s: %v", c.name, r.name, last)
		}
	}
}
