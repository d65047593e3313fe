package config

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestAllMistakesAtOnce(t *testing.T) {
	p := newPerson(t)
	file := p.user("Prot 22\nPort 70000\nHost b\n User \"x\n AddressFamily ipv4\nUseKeychain yes\n")
	_, err := p.resolve("a", Flag{'o', "Bogus=1"})
	if err == nil || !strings.Contains(err.Error(), "command line: \"Bogus\"") {
		t.Errorf("the mistake of the command line: %v", err)
	}
	_, err = p.resolve("a")
	var all Errors
	if !errors.As(err, &all) || len(all) != 5 {
		t.Fatalf("got %v", err)
	}
	for i, want := range []string{
		file + ":1: \"Prot\" is not a keyword of ssh_config(5); did you mean Port?",
		file + ":2: Port: \"70000\" is not a port",
		file + ":4: User: a quote is not closed",
		file + ":5: AddressFamily: \"ipv4\" is not one of any, inet, inet6",
		file + ":6: \"UseKeychain\" is not a keyword",
	} {
		if !strings.HasPrefix(all[i].Error(), want) {
			t.Errorf("%d: %q does not begin with %q", i, all[i], want)
		}
	}
	if !strings.Contains(all[4].Hint, "IgnoreUnknown UseKeychain") {
		t.Errorf("hint %q", all[4].Hint)
	}
	var one *Error
	if !errors.As(err, &one) || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("not one line each: %v", err)
	}
}

func TestWhatCanNotBeHonouredIsNamedOnce(t *testing.T) {
	p := newPerson(t)
	file := p.user("Compression yes\nForwardX11 yes\nPKCS11Provider /x.so\nGSSAPIAuthentication yes\nTunnel yes\nForwardAgent no\n" +
		"VerifyHostKeyDNS no\nControlMaster no\nHost *\nCompression yes\nMatch final all\n")
	o := p.mustResolve("a")
	var got []string
	for _, w := range o.Warnings {
		got = append(got, w.Keyword+"@"+strings.TrimPrefix(w.Source.String(), file))
	}
	slices.Sort(got)
	equal(t, "warnings", strings.Join(got, " "), "Compression@:1 ForwardX11@:2 GSSAPIAuthentication@:4 Tunnel@:5")
	equal(t, "library", o.PKCS11Provider, "/x.so")
}

func TestTheSystemsGSSAPIIsNotNamed(t *testing.T) {
	p := newPerson(t)
	p.system("Host *\n GSSAPIAuthentication yes\n HashKnownHosts yes\n SendEnv LANG LC_*\n")
	if o := p.mustResolve("a"); len(o.Warnings) > 0 {
		t.Errorf("warnings: %+v", o.Warnings)
	}
}

func TestUnsafeToIgnoreIsRefused(t *testing.T) {
	for _, text := range []string{"ProxyCommand x\nProxyUseFdpass yes", "RefuseConnection because", "IdentityFile %z", "ProxyCommand nc %u"} {
		p := newPerson(t)
		p.user(text + "\n")
		if _, err := p.resolve("a"); err == nil {
			t.Errorf("%q is accepted", text)
		}
		o, err := Resolve(context.Background(), Request{Destination: "a", Environment: p.environment, Inspect: true})
		if err != nil || len(o.Warnings) != 1 {
			t.Errorf("%q cannot be looked at: %v", text, err)
		}
	}
}
