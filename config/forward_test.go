package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func tcp(host string, port int) Endpoint { return Endpoint{Host: host, HostSet: true, Port: port} }

func TestParseForward(t *testing.T) {
	t.Setenv("TUNNELD_TEST_SOCKET", "/run/x.sock")
	for _, c := range []struct {
		name, text     string
		kind           Kind
		listen, target Endpoint
	}{
		{"three parts", "8080:db:5432", Local, Endpoint{Port: 8080}, tcp("db", 5432)},
		{"four parts", "localhost:8080:db:5432", Local, tcp("localhost", 8080), tcp("db", 5432)},
		{"every interface", "*:8080:db:5432", Local, tcp("*", 8080), tcp("db", 5432)},
		{"empty address", ":8080:db:5432", Local, tcp("", 8080), tcp("db", 5432)},
		{"IPv6", "[::1]:8080:[2001:db8::1]:80", Local, tcp("::1", 8080), tcp("2001:db8::1", 80)},
		{"service names", "http:db:https", Local, Endpoint{Port: 80}, tcp("db", 443)},
		{"from a socket", "/run/a.sock:db:80", Local, Endpoint{Path: "/run/a.sock"}, tcp("db", 80)},
		{"to a socket", "8080:/run/b.sock", Local, Endpoint{Port: 8080}, Endpoint{Path: "/run/b.sock"}},
		{"address and socket", "h:8080:/run/b.sock", Local, tcp("h", 8080), Endpoint{Path: "/run/b.sock"}},
		{"socket to socket", "/a:/b", Local, Endpoint{Path: "/a"}, Endpoint{Path: "/b"}},
		{"escaped colon", `/a\:b:/c`, Local, Endpoint{Path: "/a:b"}, Endpoint{Path: "/c"}},
		{"path in brackets", "[/a:b]:/c", Local, Endpoint{Path: "/a:b"}, Endpoint{Path: "/c"}},
		{"variable", "8080:${TUNNELD_TEST_SOCKET}", Local, Endpoint{Port: 8080}, Endpoint{Path: "/run/x.sock"}},
		{"remote", "8080:db:5432", Remote, Endpoint{Port: 8080}, tcp("db", 5432)},
		{"remote, port chosen there", "0:db:5432", Remote, Endpoint{}, tcp("db", 5432)},
		{"remote SOCKS", "1080", Remote, Endpoint{Port: 1080}, Endpoint{}},
		{"remote SOCKS with address", "h:1080", Remote, tcp("h", 1080), Endpoint{}},
		{"dynamic", "1080", Dynamic, Endpoint{Port: 1080}, Endpoint{}},
		{"dynamic with address", "[::1]:1080", Dynamic, tcp("::1", 1080), Endpoint{}},
		{"dynamic socket", "/run/socks", Dynamic, Endpoint{Path: "/run/socks"}, Endpoint{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, ok := parseForward(c.kind, c.text, os.LookupEnv)
			if !ok {
				t.Fatal("not taken")
			}
			equal(t, "forward", f, Forward{Kind: c.kind, Listen: c.listen, Target: c.target})
			equal(t, "SOCKS", f.IsSOCKS(), c.target == Endpoint{})
		})
	}
}

func TestParseForwardRefuses(t *testing.T) {
	p := newPerson(t)
	for _, c := range []struct {
		kind Kind
		text string
	}{
		{Local, ""}, {Local, "8080"}, {Local, "8080:db"}, {Local, "0:db:80"}, {Local, "8080:db:0"}, {Local, "65536:db:80"},
		{Local, "a:b:c:d:e"}, {Local, "1:2:3:4:5"}, {Local, "[::1:80:db:80"}, {Local, "[::1]x:80:db:80"}, {Local, "nope:db:80"},
		{Local, "${TUNNELD_UNSET}:db:80"}, {Local, "${:db:80"}, {Local, "8080:" + strings.Repeat("x", 1100) + ":80"},
		{Local, "/" + strings.Repeat("x", 108) + ":db:80"}, {Local, `8080:db:80\`},
		{Dynamic, "0"}, {Dynamic, "a:1:2"}, {Dynamic, ""}, {Remote, "a:b:c"}, {Remote, "-1:db:80"},
	} {
		if o, err := p.resolve("a", Flag{byte(c.kind), c.text}); err == nil {
			t.Errorf("-%c %q became %+v", c.kind, c.text, o.Forwards)
		} else if bad := (*Error)(nil); !errors.As(err, &bad) || !strings.Contains(err.Error(), "want") {
			t.Errorf("-%c %q: the error does not say what is allowed: %v", c.kind, c.text, err)
		}
	}
}

func TestForwardsInTheOrderOfSSH(t *testing.T) {
	p := newPerson(t)
	p.user("Host a\n LocalForward 1 h:1\n DynamicForward 2\n LocalForward 1 h:1\nRemoteForward 3\n")
	p.system("LocalForward 4 h:4\n")
	o := p.mustResolve("a", Flag{'L', "5:h:5"}, Flag{'L', "1:h:1"})
	var got []string
	for _, f := range o.Forwards {
		got = append(got, string(f.Kind)+f.Listen.String()+"@"+f.Source.String()[strings.LastIndexByte(f.Source.String(), '/')+1:])
	}
	equal(t, "forwards", strings.Join(got, " "), "L5@command line L1@command line D2@config:3 R3@config:5 L4@ssh_config:1")
}

func TestClearAllForwardingsTakesThoseOfTheCommandLineToo(t *testing.T) {
	p := newPerson(t)
	p.user("ClearAllForwardings yes\nLocalForward 1 h:1\n")
	o := p.mustResolve("a", Flag{'D', "1080"})
	equal(t, "forwards", len(o.Forwards), 0)
	equal(t, "why", o.ClearAllForwardings, true)
}

func TestTokensInTheSocketsOfForwards(t *testing.T) {
	p := newPerson(t)
	p.user("LocalForward /run/%n-%r.sock /srv/%h\nHostName real\nUser bob\n")
	f := p.mustResolve("a").Forwards[0]
	equal(t, "listen", f.Listen.Path, "/run/a-bob.sock")
	equal(t, "target", f.Target.Path, "/srv/real")
}
