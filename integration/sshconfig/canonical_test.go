package sshconfig

import (
	"context"
	"net"
	"os/exec"
	"testing"

	"github.com/tunneld/tunneld/config"
	"golang.org/x/net/dns/dnsmessage"
)

// zone is what the name server of these tests knows: addresses, and other names where a value is no address.
var zone = map[string]string{
	"host.example.com.":     "192.0.2.1",
	"www.example.com.":      "host.example.org.",
	"host.example.org.":     "192.0.2.2",
	"six.example.com.":      "2001:db8::6",
	"a.b.example.com.":      "192.0.2.3",
	"bare.":                 "192.0.2.4",
	"alias.":                "host.example.org.",
	"under_score.":          "192.0.2.5",
	"twice.example.com.":    "www.example.com.",
	"host.sub.example.com.": "192.0.2.6",
}

// nameServer answers for zone on a port of its own address.
func nameServer(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.77:53")
	if err != nil {
		t.Skipf("no name server on port 53: %v", err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		conn.Close() // ends the loop below
		<-done
	})
	go func() {
		defer close(done)
		buffer := make([]byte, 1500)
		for {
			n, peer, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer := dnsAnswer(buffer[:n]); answer != nil {
				conn.WriteTo(answer, peer) // the client asks again
			}
		}
	}()
	return conn.LocalAddr().String()
}

func dnsAnswer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	name := q.Name
	for {
		value, known := zone[name.String()]
		if !known {
			if len(m.Answers) == 0 {
				m.RCode = dnsmessage.RCodeNameError
			}
			break
		}
		header := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 1}
		ip := net.ParseIP(value)
		if ip == nil {
			name = dnsmessage.MustNewName(value)
			header.Type = dnsmessage.TypeCNAME
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.CNAMEResource{CNAME: name}})
			continue
		}
		if v4 := ip.To4(); v4 != nil && q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: [4]byte(v4)}})
		} else if v4 == nil && q.Type == dnsmessage.TypeAAAA {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: [16]byte(ip)}})
		}
		break
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}

// Both ask the same name server: ssh through a resolv.conf of its own.
func TestConfigAgreesWithSSHOnCanonicalNames(t *testing.T) {
	newest.need(t)
	needNamespaces(t)
	server := nameServer(t)
	const yes = "CanonicalizeHostname yes\nCanonicalDomains example.net example.com\n"
	for _, c := range []struct {
		name, text, destination string
	}{
		{"second domain", yes, "host"},
		{"then blocks of the new name", yes + "Host host.example.com\nPort 7\nMatch canonical host *.example.com\nUser x", "host"},
		{"capitals", yes, "HOST"},
		{"not found", yes, "nothing"},
		{"not found, and no fallback", yes + "CanonicalizeFallbackLocal no", "nothing"},
		{"too many dots", yes, "a.b.c"},
		{"one dot", yes, "a.b"},
		{"two dots allowed", yes + "CanonicalizeMaxDots 2", "host.sub"},
		{"no dots allowed", yes + "CanonicalizeMaxDots 0", "host.sub"},
		{"final dot", yes, "bare."},
		{"final dot, not found", yes, "nothing."},
		{"final dot, not found, no fallback", yes + "CanonicalizeFallbackLocal no", "nothing."},
		{"no domains", "CanonicalizeHostname yes", "bare"},
		{"domains none", "CanonicalizeHostname yes\nCanonicalDomains none", "host"},
		{"HostName", yes + "HostName %h", "host"},
		{"other HostName", yes + "HostName six", "host"},
		{"address", yes, "127.1"},
		{"behind a proxy", yes + "ProxyCommand x", "host"},
		{"behind a jump host", yes + "ProxyJump gate", "host"},
		{"behind a proxy, always", "ProxyCommand x\nCanonicalizeHostname always\nCanonicalDomains example.com", "host"},
		{"behind a jump host, always", "ProxyJump gate\nCanonicalizeHostname always\nCanonicalDomains example.com\nHost host.example.com\nUser x", "host"},
		{"proxy none", yes + "ProxyCommand none", "host"},
		{"only IPv6", yes + "AddressFamily inet6", "six"},
		{"only IPv4", yes + "AddressFamily inet", "six"},
		{"CNAME not followed", yes, "www"},
		{"CNAME followed", yes + "CanonicalizePermittedCNAMEs *.example.com:*.example.org\nHost host.example.org\nPort 7", "www"},
		{"CNAME to elsewhere", yes + "CanonicalizePermittedCNAMEs *.example.com:*.example.net", "www"},
		{"CNAME of another", yes + "CanonicalizePermittedCNAMEs other:*", "www"},
		{"CNAME of all", yes + "CanonicalizePermittedCNAMEs *", "www"},
		{"CNAME twice", yes + "CanonicalizePermittedCNAMEs *", "twice"},
		{"CNAME none", yes + "CanonicalizePermittedCNAMEs none", "www"},
		{"CNAME by a second rule", yes + "CanonicalizePermittedCNAMEs a:b *.example.com,x:host.*", "www"},
		{"CNAME of the name itself", yes + "CanonicalizePermittedCNAMEs *:*", "alias"},
		{"CNAME without canonicalization", "CanonicalizePermittedCNAMEs *:*", "alias"},
		{"CNAME without canonicalization, not found", "CanonicalizePermittedCNAMEs *:*", "nothing"},
		{"CNAME behind a proxy", "CanonicalizePermittedCNAMEs *:*\nProxyCommand x", "nothing"},
		{"CNAME behind a proxy, always", "CanonicalizeHostname always\nCanonicalizePermittedCNAMEs *:*\nProxyCommand x", "alias"},
		{"CNAME behind a proxy, always, not found", "CanonicalizeHostname always\nCanonicalizePermittedCNAMEs *:*\nProxyCommand x", "nothing"},
		{"only for some", "Match host *.example\nCanonicalizeHostname yes\nCanonicalDomains example.com\nHost host\nCanonicalizeHostname yes\nCanonicalDomains example.com", "host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOracle(t, newest, t.TempDir())
			o.environment.Resolver = &net.Resolver{
				PreferGo: true,
				Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, "udp", server)
				},
			}
			file := o.put(t, "config", c.text)
			resolv := o.put(t, "resolv.conf", "nameserver 127.0.0.77\n")
			script := `mount --bind "$1" /etc/resolv.conf && exec "$4" -G -F "$2" "$3"`
			theirs, refusal := run(exec.Command("unshare", "--mount", "sh", "-c", script, "sh", resolv, file, c.destination, o.program))
			ours, problem := resolved(config.Request{
				Destination: c.destination, Flags: []config.Flag{{Letter: 'F', Value: file}}, FlagsBefore: 1, Environment: o.environment, Inspect: true, Session: true,
			})
			switch {
			case (refusal == "") != (problem == ""):
				t.Errorf("ssh: %q, tunneld: %q", refusal, problem)
			case refusal == "":
				if d := o.differences(theirs, ours); d != "" {
					t.Error(d)
				}
			}
		})
	}
}
