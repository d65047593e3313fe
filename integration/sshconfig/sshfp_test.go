package sshconfig

import (
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
	"golang.org/x/crypto/ssh"
	"golang.org/x/net/dns/dnsmessage"
)

// fingerprintServer answers every question for an address with 127.0.0.1, and says these fingerprints of every name.
type fingerprintServer struct {
	keys      []ssh.PublicKey
	validated bool // by DNSSEC, it says
}

// start listens on port 53 of an address of its own, and returns the address.
func (f fingerprintServer) start(t *testing.T, address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(address, "53"))
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
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			f.answer(&m)
			if packed, err := m.Pack(); err == nil {
				conn.WriteTo(packed, peer)
			}
		}
	}()
}

func (f fingerprintServer) answer(m *dnsmessage.Message) {
	const sshfp dnsmessage.Type = 44
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.AuthenticData, m.Additionals = true, true, f.validated, nil
	header := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1}
	switch q.Type {
	case dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
	case sshfp:
		for _, key := range f.keys {
			sum1, sum256 := sha1.Sum(key.Marshal()), sha256.Sum256(key.Marshal())
			for _, data := range [][]byte{append([]byte{4, 1}, sum1[:]...), append([]byte{4, 2}, sum256[:]...)} {
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.UnknownResource{Type: sshfp, Data: data}})
			}
		}
	}
}

// tunneld and ssh believe the same name servers of the same keys: both go in or both stay out.
func TestVerifyHostKeyDNSAsSSH(t *testing.T) {
	lab.Need(t, "ssh")
	needNamespaces(t)
	server := lab.StartSSHD(t)
	other := lab.WriteKey(t, filepath.Join(t.TempDir(), "other"))
	for i, c := range []struct {
		name    string
		dns     fingerprintServer
		verify  string
		options string // of resolv.conf(5)
		enters  bool
	}{
		{"validated", fingerprintServer{[]ssh.PublicKey{server.HostKey}, true}, "yes", "edns0 trust-ad", true},
		{"not validated", fingerprintServer{[]ssh.PublicKey{server.HostKey}, false}, "yes", "edns0 trust-ad", false},
		{"another key", fingerprintServer{[]ssh.PublicKey{other}, true}, "yes", "edns0 trust-ad", false},
		{"another key beside it", fingerprintServer{[]ssh.PublicKey{server.HostKey, other}, true}, "yes", "edns0 trust-ad", false},
		{"no key", fingerprintServer{nil, true}, "yes", "edns0 trust-ad", false},
		{"for a person", fingerprintServer{[]ssh.PublicKey{server.HostKey}, true}, "ask", "edns0 trust-ad", false},
		{"off", fingerprintServer{[]ssh.PublicKey{server.HostKey}, true}, "no", "edns0 trust-ad", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			address := fmt.Sprintf("127.0.78.%d", i+1)
			c.dns.start(t, address)
			l := &lab.Lab{T: t, Server: server, Account: lab.NewAccount(t)}
			server.Authorize(l.Account.Key)
			l.Account.Host(lab.Alias, server.Port, "HostName sshfp.example", "VerifyHostKeyDNS "+c.verify, "HostKeyAlgorithms ssh-ed25519", "UpdateHostKeys no")
			lab.WriteFile(t, l.Account.Path("known_hosts"), "")
			resolv := l.Account.Path("resolv.conf")
			lab.WriteFile(t, resolv, fmt.Sprintf("nameserver %s\noptions %s\n", address, c.options))
			if err := os.Chmod(resolv, 0o644); err != nil {
				t.Fatal(err)
			}
			l.Prefix = []string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, resolv}
			p := l.Start(lab.Tunneld, "-L", lab.Loopback(lab.FreePort(t))+":127.0.0.1:1")
			lab.Eventually(t, lab.Patience, "the tunnel is up or refused", func() bool {
				return len(p.Matching(lab.IsUp)) > 0 || len(p.Matching(lab.IsFailed)) > 0 || !p.Running()
			})
			ours := len(p.Matching(lab.IsUp)) > 0
			p.Kill()
			q := l.Account.Run(lab.OpenSSH, l.Words("ssh", "-T", "-n", "-F", l.Account.Path("config"), lab.Alias, "true"))
			theirs := q.WaitExit(t, lab.Patience) == 0
			if ours != theirs || ours != c.enters {
				t.Errorf("tunneld enters: %v, ssh: %v, want %v; tunneld says\n%s\nssh says\n%s", ours, theirs, c.enters, p.Text(), q.Text())
			}
			if readText(t, l.Account.Path("known_hosts")) != "" {
				t.Error("the key was written down")
			}
		})
	}
}
