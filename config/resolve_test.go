package config

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config/algorithm"
)

func TestTheExampleOfTheReadme(t *testing.T) {
	p := newPerson(t)
	p.write(".ssh/sshproxy-hello/id_rsa", "key")
	file := p.user(`
host sshproxy-hello
    HostName 192.0.2.1
    Port 2222
    User sshproxy
    ServerAliveInterval 300
    ServerAliveCountMax 2
    DynamicForward localhost:1080
    IdentityFile ~/.ssh/sshproxy-hello/id_rsa
`)
	o := p.mustResolve("sshproxy-hello")
	equal(t, "alias", o.Alias, "sshproxy-hello")
	equal(t, "matched", o.Matched, true)
	equal(t, "address", o.Address(), "192.0.2.1:2222")
	equal(t, "user", o.User, "sshproxy")
	equal(t, "interval", o.ServerAliveInterval, 300*time.Second)
	equal(t, "count", o.ServerAliveCountMax, 2)
	equal(t, "identity", o.IdentityFile[0], IdentityFile{p.environment.Home + "/.ssh/sshproxy-hello/id_rsa", true})
	equal(t, "forward", o.Forwards[0], Forward{Dynamic, tcp("localhost", 1080), Endpoint{}, Source{file, 8}})
	equal(t, "source", o.Source("hostname"), Source{file, 3})
	equal(t, "warnings", len(o.Warnings), 0)
}

func TestDefaults(t *testing.T) {
	o := newPerson(t).mustResolve("a")
	equal(t, "matched", o.Matched, false)
	equal(t, "host", o.HostName, "a")
	equal(t, "port", o.Port, 22)
	equal(t, "user", o.User, "me")
	equal(t, "interval", o.ServerAliveInterval, 15*time.Second)
	equal(t, "count", o.ServerAliveCountMax, 3)
	equal(t, "strict", o.StrictHostKeyChecking, StrictAsk)
	equal(t, "update", o.UpdateHostKeys, UpdateYes)
	equal(t, "agent", o.IdentityAgent, "")
	equal(t, "timeout", o.ConnectTimeout, DefaultConnectTimeout)
	equal(t, "methods", strings.Join(o.PreferredAuthentications, ","), "gssapi-with-mic,hostbased,publickey,keyboard-interactive,password")
	equal(t, "host keys", strings.Join(o.HostKeyAlgorithms, ","), strings.Join(algorithm.Keys.Defaults, ","))
	equal(t, "keys", strings.Join(o.PubkeyAcceptedAlgorithms, ","), strings.Join(algorithm.Keys.Defaults, ","))
	equal(t, "authorities", strings.Join(o.CASignatureAlgorithms, ","), strings.Join(algorithm.Signatures.Defaults, ","))
	equal(t, "explicit key", o.IdentityFile[0].Explicit, false)
	equal(t, "qos", o.IPQoS, 0xb8)
	equal(t, "mask", o.StreamLocalBindMask, 0o177)
	equal(t, "hold", o.Hold, 30*time.Second)
	equal(t, "echo", o.Echo, Echo{})
	equal(t, "echo interval", o.EchoInterval, time.Minute)
	equal(t, "connections", o.Connections, 1)
	equal(t, "lazy", o.Lazy, 0)
	equal(t, "source", o.Source("Port").String(), "default")
	if o.Ciphers != nil || o.MACs != nil || o.KexAlgorithms != nil || o.PermitRemoteOpen != nil {
		t.Errorf("lists that nobody set are not nil: %v %v %v %v", o.Ciphers, o.MACs, o.KexAlgorithms, o.PermitRemoteOpen)
	}
}

func TestAliveIntervalSomebodySet(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"ServerAliveInterval 0":                      0,
		"ServerAliveInterval none":                   0,
		"ServerAliveInterval none\nBatchMode yes":    300 * time.Second,
		"ServerAliveInterval none\nKeepAlive no":     0,
		"ServerAliveInterval none\nSetupTimeOut 20":  0, // an old name of ConnectTimeout
		"BatchMode yes":                              15 * time.Second,
		"Host b\nServerAliveInterval none":           15 * time.Second,
		"ServerAliveInterval 1m30s\nHost a\nPort 22": 90 * time.Second,
	} {
		p := newPerson(t)
		p.user(text + "\n")
		equal(t, text, p.mustResolve("a").ServerAliveInterval, want)
	}
}

func TestFirstValueWins(t *testing.T) {
	p := newPerson(t)
	p.user("Host a\n User alice\n IdentityFile one\nHost *\n User bob\n IdentityFile two\n Port 2222\n")
	p.system("User carol\nPort 3333\nIdentityFile three\nConnectTimeout 7\n")
	o := p.mustResolve("a", Flag{'p', "1111"})
	equal(t, "user", o.User, "alice")
	equal(t, "port", o.Port, 1111)
	equal(t, "timeout", o.ConnectTimeout, 7*time.Second)
	var files []string
	for _, f := range o.IdentityFile {
		files = append(files, f.Path)
	}
	equal(t, "files", strings.Join(files, " "), "one two three")
}

func TestDestination(t *testing.T) {
	for _, c := range []struct {
		destination string
		flags       []Flag
		before      int
		user, host  string
		port        int
	}{
		{"a", nil, 0, "me", "a", 22},
		{"bob@a", nil, 0, "bob", "a", 22},
		{"b@ob@a", nil, 0, "b@ob", "a", 22},
		{"ssh://a", nil, 0, "me", "a", 22},
		{"ssh://bob@a:2200/", nil, 0, "bob", "a", 2200},
		{"ssh://b%6Fb;x=y@a", nil, 0, "bob", "a", 22},
		{"bob@a", []Flag{{'l', "carol"}}, 0, "bob", "a", 22},
		{"bob@a", []Flag{{'l', "carol"}}, 1, "carol", "a", 22},
		{"ssh://a:1", []Flag{{'p', "2"}}, 1, "me", "a", 2},
		{"A.Example", nil, 0, "me", "a.example", 22},
		{"127.1", nil, 0, "me", "127.0.0.1", 22},
	} {
		t.Run(strings.ReplaceAll(c.destination, "%", ""), func(t *testing.T) {
			p := newPerson(t)
			o, err := Resolve(context.Background(), Request{Destination: c.destination, Flags: c.flags, FlagsBefore: c.before, Environment: p.environment})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "user", o.User, c.user)
			equal(t, "host", o.HostName, c.host)
			equal(t, "port", o.Port, c.port)
		})
	}
	for _, bad := range []string{"", "@a", "bob@", "-x", "a;b", "ssh://", "ssh://a:0", "ssh://a/b", "ssh://[::1]", "ssh://@a", "-l@a", "a b"} {
		if o, err := newPerson(t).resolve(bad); err == nil {
			t.Errorf("%q leads to %s@%s", bad, o.User, o.Address())
		}
	}
}

func TestPermissions(t *testing.T) {
	p := newPerson(t)
	path := p.user("Port 1\n")
	if err := os.Chmod(path, 0o646); err != nil {
		t.Fatal(err)
	}
	_, err := p.resolve("a")
	var bad *Error
	if !errors.As(err, &bad) || !strings.Contains(bad.Text, "permissions") || bad.Hint == "" || bad.Source.File != path {
		t.Errorf("got %#v", err)
	}
	equal(t, "port by -F", p.mustResolve("a", Flag{'F', path}).Port, 1)
}

func TestFlags(t *testing.T) {
	p := newPerson(t)
	key := p.write("key", "")
	o := p.mustResolve("a", Flag{'4', ""}, Flag{'b', "127.0.0.2"}, Flag{'B', "lo"}, Flag{'C', ""}, Flag{'c', "+aes128-cbc"},
		Flag{'m', "hmac-sha1"}, Flag{'g', ""}, Flag{'i', key}, Flag{'i', "/no/such/key"}, Flag{'o', "ConnectTimeout=9"},
		Flag{'v', ""}, Flag{'v', ""}, Flag{'P', "blue"}, Flag{'N', ""})
	equal(t, "family", o.AddressFamily, IPv4)
	equal(t, "address", o.BindAddress, "127.0.0.2")
	equal(t, "interface", o.BindInterface, "lo")
	equal(t, "cipher", o.Ciphers[len(o.Ciphers)-1], "aes128-cbc")
	equal(t, "MAC", strings.Join(o.MACs, ","), "hmac-sha1")
	equal(t, "gateway", o.GatewayPorts, true)
	equal(t, "keys", len(o.IdentityFile), 1)
	equal(t, "timeout", o.ConnectTimeout, 9*time.Second)
	equal(t, "level", o.value("LogLevel"), "DEBUG2")
	equal(t, "tag", o.value("Tag"), "blue")
	if len(o.Warnings) != 2 || o.Warnings[0].Keyword != "IdentityFile" || o.Warnings[1].Keyword != "Compression" {
		t.Errorf("warnings: %+v", o.Warnings)
	}
	if _, err := p.resolve("a", Flag{'Q', "cipher"}); err == nil {
		t.Error("-Q is accepted")
	}
}

func TestConfigurationFileFlag(t *testing.T) {
	p := newPerson(t)
	p.user("Port 1\n")
	p.system("Port 2\n")
	other := p.write("other", "User x\n")
	equal(t, "neither file", p.mustResolve("a", Flag{'F', other}).Port, 22)
	equal(t, "none", p.mustResolve("a", Flag{'F', "none"}).Port, 22)
	if _, err := p.resolve("a", Flag{'F', "/no/such/file"}); err == nil {
		t.Error("a file that does not exist is accepted")
	}
}

func TestOwnKeywords(t *testing.T) {
	p := newPerson(t)
	p.user(`
Host a
  TunneldHold 1m30s
  TunneldEcho service:7
  TunneldEchoInterval 0
  TunneldBackoffMax 250ms
  TunneldConnections 4
  TunneldDrain 0
  TunneldMaxLifetime 12h
  TunneldPassphraseFile ~/.pass-%n
  TunneldPasswordFile ~/.password-%h
  TunneldPortFile ~/ports-%n
  TunneldLazy 10m
Host *
  TunneldHold 5
`)
	o := p.mustResolve("a")
	equal(t, "hold", o.Hold, 90*time.Second)
	equal(t, "echo", o.Echo, Echo{EchoService, 7})
	equal(t, "interval", o.EchoInterval, 0)
	equal(t, "backoff", o.BackoffMax, 250*time.Millisecond)
	equal(t, "connections", o.Connections, 4)
	equal(t, "drain", o.Drain, 0)
	equal(t, "lifetime", o.MaxLifetime, 12*time.Hour)
	equal(t, "passphrase", o.PassphraseFile, p.environment.Home+"/.pass-a")
	equal(t, "password", o.PasswordFile, p.environment.Home+"/.password-a")
	equal(t, "ports", o.PortFile, p.environment.Home+"/ports-a")
	equal(t, "lazy", o.Lazy, 10*time.Minute)
	lines := printed(t, o)
	for _, want := range []string{"tunneldhold 1m30s", "tunneldecho service:7", "tunneldmaxlifetime 12h", "tunneldlazy 10m"} {
		if !slices.Contains(lines, want) {
			t.Errorf("%q is not printed", want)
		}
	}
	for _, bad := range []string{
		"TunneldHold x", "TunneldHold -1", "TunneldEcho 0", "TunneldEcho service:", "TunneldConnections 0", "TunneldConnections 65",
		"TunneldBackoffMax 0", "TunneldMaxLifetime 0", "TunneldLazy yes", "TunneldNone 1", "TunneldHold 1 2",
	} {
		p.user("Host b\n" + bad + "\n")
		if _, err := p.resolve("a"); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestAlgorithmLists(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"MACs hmac-sha1,hmac-md5", "hmac-sha1,hmac-md5"},
		{"MACs -*etm*,umac*", "hmac-sha2-256,hmac-sha2-512,hmac-sha1"},
		{"MACs +hmac-md5", strings.Join(algorithm.MACs.Defaults, ",") + ",hmac-md5"},
		{"MACs ^hmac-sha1", "hmac-sha1," + strings.Join(algorithm.MACs.Defaults[:9], ",")},
	} {
		p := newPerson(t)
		p.user(c.text + "\n")
		equal(t, c.text, strings.Join(p.mustResolve("a").MACs, ","), c.want)
	}
	for _, bad := range []string{"MACs x", "MACs +", "MACs hmac*", "Ciphers aes128-ctr,bogus", "HostKeyAlgorithms bogus*", "HostKeyAlgorithms rsa", "KexAlgorithms gss-gex-sha1-"} {
		p := newPerson(t)
		p.user(bad + "\n")
		if _, err := p.resolve("a"); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestKnownHostsCommandKeepsWhatIsKnownLater(t *testing.T) {
	p := newPerson(t)
	p.variables["ODD"] = `50% "x`
	p.user("KnownHostsCommand /bin/keys %% %H %n \"a b\" ${ODD}\n")
	template := p.mustResolve("a").KnownHostsCommand
	words, err := SplitWords(template)
	if err != nil {
		t.Fatal(err)
	}
	for i, word := range words {
		words[i] = ExpandRuntimeTokens(word, map[byte]string{'H': "host"})
	}
	if want := []string{"/bin/keys", "%", "host", "a", "a b", `50% "x`}; !slices.Equal(words, want) {
		t.Errorf("%q became %q, want %q", template, words, want)
	}
}

func TestIdentityAgent(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "/run/agent",
		"IdentityAgent none":          "",
		"IdentityAgent SSH_AUTH_SOCK": "/run/agent",
		"IdentityAgent $SET":          "value",
		"IdentityAgent $NOT_SET":      "",
		"IdentityAgent $EMPTY":        "", // and not SSH_AUTH_SOCK: ssh puts the one in the other's place
		"IdentityAgent $WORD":         "none",
		"IdentityAgent ${SET}/x":      "value/x",
		"IdentityAgent /run/%n-%i":    "/run/a-" + decimalText(os.Getuid()),
	} {
		p := newPerson(t)
		p.variables["SSH_AUTH_SOCK"], p.variables["EMPTY"], p.variables["WORD"] = "/run/agent", "", "none"
		p.user(text + "\n")
		equal(t, text, p.mustResolve("a").IdentityAgent, want)
	}
}

func TestNoAgentWithoutAnEnvironment(t *testing.T) {
	p := newPerson(t)
	p.environment.Getenv = nil
	for _, text := range []string{"", "IdentityAgent SSH_AUTH_SOCK", "IdentityAgent $SET"} {
		p.user(text + "\n")
		equal(t, text, p.mustResolve("a").IdentityAgent, "")
	}
}

// A tunnel must find out that its server does not answer, whatever ssh would wait for.
func TestConnectTimeoutIsNeverZero(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"ConnectTimeout 0": DefaultConnectTimeout, "ConnectTimeout none": DefaultConnectTimeout, "ConnectTimeout 1m": time.Minute,
	} {
		p := newPerson(t)
		p.user(text + "\n")
		equal(t, text, p.mustResolve("a").ConnectTimeout, want)
	}
}

func TestListsThatSomebodySet(t *testing.T) {
	p := newPerson(t)
	p.user("Ciphers aes128-ctr\nMACs +hmac-md5\nPubkeyAcceptedAlgorithms ssh-rsa,ssh-ed25519\nCASignatureAlgorithms -ecdsa*,*sk-*,rsa*\nPreferredAuthentications password,publickey\n")
	o := p.mustResolve("a")
	equal(t, "ciphers", strings.Join(o.Ciphers, ","), "aes128-ctr")
	equal(t, "MACs", strings.Join(o.MACs, ","), strings.Join(algorithm.MACs.Defaults, ",")+",hmac-md5")
	equal(t, "keys", strings.Join(o.PubkeyAcceptedAlgorithms, ","), "ssh-rsa,ssh-ed25519")
	equal(t, "authorities", strings.Join(o.CASignatureAlgorithms, ","), "ssh-ed25519")
	equal(t, "methods", strings.Join(o.PreferredAuthentications, ","), "password,publickey")
}
