package config

import (
	"bytes"
	"strings"
	"testing"
)

func dnsOptions(t *testing.T, lines ...string) (*Options, error) {
	t.Helper()
	p := newPerson(t)
	p.user(strings.Join(lines, "\n") + "\n")
	return p.resolve("a")
}

func TestDNSForwards(t *testing.T) {
	for text, want := range map[string]Forward{
		"5300=10.0.0.53":            {Kind: DNS, Listen: Endpoint{Port: 5300}, Target: Endpoint{Host: "10.0.0.53", HostSet: true, Port: 53}},
		"[::1]:5300=[2001:db8::1]":  {Kind: DNS, Listen: Endpoint{Host: "::1", HostSet: true, Port: 5300}, Target: Endpoint{Host: "2001:db8::1", HostSet: true, Port: 53}},
		"*:53=ns.example:5353":      {Kind: DNS, Listen: Endpoint{Host: "*", HostSet: true, Port: 53}, Target: Endpoint{Host: "ns.example", HostSet: true, Port: 5353}},
		"127.0.0.1:5300=[::1]:5301": {Kind: DNS, Listen: Endpoint{Host: "127.0.0.1", HostSet: true, Port: 5300}, Target: Endpoint{Host: "::1", HostSet: true, Port: 5301}},
	} {
		if got, ok := dnsForward(text); !ok || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "=", "5300", "5300=", "=10.0.0.53", "0=10.0.0.53", "65536=10.0.0.53", "5300=10.0.0.53:0", "5300=10.0.0.53:x", "5300=2001:db8::1", "::1:5300=a",
		"/run/socket=10.0.0.53", "5300=/run/socket", "5300=[]", "5300=[::1", "-1=a", "5300=" + strings.Repeat("a", maxHostName),
	} {
		if got, ok := dnsForward(text); ok {
			t.Errorf("%q was taken: %+v", text, got)
		}
	}
}

// As of all keywords the first value wins, and "none" is one.
func TestDNSKeyword(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"one", "TunneldDNS 5300=a", []string{"5300=a"}},
		{"several", "TunneldDNS 5300=a\nTunneldDNS 5301=b\nTunneldDNS 5300=a", []string{"5300=a", "5301=b"}},
		{"none first", "TunneldDNS None\nTunneldDNS 5300=a", nil},
		{"none later", "TunneldDNS 5300=a\nTunneldDNS none", []string{"5300=a"}},
		{"another host's", "Host other\nTunneldDNS 5300=a", nil},
		{"cleared", "TunneldDNS 5300=a\nClearAllForwardings yes", nil},
	} {
		o, err := dnsOptions(t, c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, f := range o.Forwards {
			got = append(got, f.Listen.String()+"="+f.Target.Host)
			if f.Kind != DNS || f.Source.Line == 0 {
				t.Errorf("%s: %+v", c.name, f)
			}
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		var printed bytes.Buffer
		if err := o.Print(&printed); err != nil {
			t.Fatal(err)
		}
		if want := "\ntunnelddns none\n"; strings.Contains(printed.String(), want) != (len(c.want) == 0) {
			t.Errorf("%s: `tunneld config` says %q: %v", c.name, want, len(c.want) > 0)
		}
		for _, one := range c.want {
			if !strings.Contains(printed.String(), "\ntunnelddns "+one+"\n") {
				t.Errorf("%s: `tunneld config` does not say tunnelddns %s", c.name, one)
			}
		}
		if strings.Contains(printed.String(), "\nlocalforward ") {
			t.Errorf("%s: `tunneld config` shows it as a LocalForward", c.name)
		}
	}
	if _, err := dnsOptions(t, "TunneldDNS 5300"); err == nil || !strings.Contains(err.Error(), "[bind_address:]port=server[:port]") {
		t.Errorf("got %v", err)
	}
}
