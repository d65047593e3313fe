package config

import (
	"context"
	"strings"
	"testing"
)

// way writes the hops from here to the destination.
func way(o *Options) string {
	var hops []string
	for ; o != nil; o = o.Via {
		hops = append([]string{o.User + "@" + o.Address()}, hops...)
	}
	return strings.Join(hops, " ")
}

func TestProxyJump(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"one hop", "Host a\nProxyJump b", "me@b:22 me@a:22"},
		{"several", "Host a\nProxyJump x@b:1,c", "x@b:1 me@c:22 me@a:22"},
		{"settings of the hop's own name", "Host a\nProxyJump b\nUser u\nHost b\nHostName real\nUser v\nPort 7", "v@real:7 u@a:22"},
		{"what ProxyJump says wins over the hop's settings", "Host a\nProxyJump x@b:1\nHost b\nUser v\nPort 7", "x@b:1 me@a:22"},
		{"a hop with a hop", "Host a\nProxyJump b\nHost b\nProxyJump c", "me@c:22 me@b:22 me@a:22"},
		{"none", "ProxyJump none\nProxyJump b", "me@a:22"},
		{"for all but the hop", "Host b\nProxyJump none\nHost *\nProxyJump b", "me@b:22 me@a:22"},
		{"ProxyCommand before", "ProxyCommand none\nProxyJump b", "me@a:22"},
		{"tokens", "Host a\nProxyJump %h-gate", "me@a-gate:22 me@a:22"},
		{"URI", "Host a\nProxyJump ssh://x@b:9", "x@b:9 me@a:22"},
		{"IPv6", "Host a\nProxyJump [::1]:9", "me@[::1]:9 me@a:22"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPerson(t)
			p.user(c.text + "\n")
			o := p.mustResolve("a")
			equal(t, "way", way(o), c.want)
			equal(t, "proxy command", o.ProxyCommand, "")
		})
	}
}

func TestJumpHostsDoNotGetTheFlagsOfTheDestination(t *testing.T) {
	p := newPerson(t)
	key := p.write("key", "")
	p.user("Host b\n LocalForward 1 h:1\n IdentityFile hop\n")
	o := p.mustResolve("a", Flag{'J', "b"}, Flag{'i', key}, Flag{'o', "ConnectTimeout=5"}, Flag{'4', ""}, Flag{'l', "bob"}, Flag{'p', "9"})
	hop := o.Via
	equal(t, "way", way(o), "me@b:22 bob@a:9")
	equal(t, "key", hop.IdentityFile[0].Path, "hop")
	equal(t, "timeout", hop.ConnectTimeout, DefaultConnectTimeout)
	equal(t, "family", hop.AddressFamily, AnyFamily)
	equal(t, "forwards", len(hop.Forwards), 0)
}

func TestJumpHostsGetTheFile(t *testing.T) {
	p := newPerson(t)
	p.user("Host b\n User wrong\n")
	file := p.write("other", "Host a\n ProxyJump b\nHost b\n User right\n")
	equal(t, "way", way(p.mustResolve("a", Flag{'F', file})), "right@b:22 me@a:22")
}

func TestJumpHostsInACircle(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"itself", "ProxyJump a", "through itself"},
		{"the hop itself", "ProxyJump b", "through itself"},
		{"two", "Host a\nProxyJump b\nHost b\nProxyJump a", "circle"},
		{"ever new names", "ProxyJump %h.x", "circle"},
		{"a hop that is wrong", "Host a\nProxyJump b\nHost b\nHostName %z", "jump host b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPerson(t)
			p.user(c.text + "\n")
			if _, err := p.resolve("a"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAHopThatIsWrongCanBeLookedAt(t *testing.T) {
	p := newPerson(t)
	p.user("Host a\n ProxyJump b\nHost b\n ProxyJump a\n")
	o, err := Resolve(context.Background(), Request{Destination: "a", Environment: p.environment, Inspect: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Warnings) == 0 {
		t.Error("no word about it")
	}
}

func TestProxyCommandTokens(t *testing.T) {
	p := newPerson(t)
	p.user("HostName real\nUser bob\nHostKeyAlias Key\nProxyCommand nc -X %h %n %p %r %k %% \"q\" # all\n")
	o := p.mustResolve("a")
	equal(t, "command", o.ProxyCommand, `nc -X real a 22 bob key % "q" # all`)
	if o.Via != nil {
		t.Error("a hop besides a command")
	}
}

// A HostName with %h twice doubles at each hop of a chain: it ends where no name can be longer, and not where memory does.
func TestHostNameThatGrowsThroughJumpHostsIsRefused(t *testing.T) {
	p := newPerson(t)
	p.user("HostName %h.%h.%h.%h\nProxyJump %h\n")
	if o, err := p.resolve("a"); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("resolved to %v, %v", o, err)
	}
}

// ssh would go to no jump host at all.
func TestJumpHostWithoutANameIsRefused(t *testing.T) {
	p := newPerson(t)
	p.user("ProxyJump []\n")
	if o, err := p.resolve("a"); err == nil {
		t.Errorf("resolved to %v", o)
	}
}
