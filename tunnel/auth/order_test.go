package auth

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// publicKeyOffer is how sshd logs a key that it is asked about, and one that comes with a signature at once, as ssh sends
// a key whose public half it did not know.
var publicKeyOffer = regexp.MustCompile(`publickey\S* (?:test pkalg|have) (\S+) (?:pkblob|signature for) (.*?)(?: \[preauth\])?\r?\n`)

// TestKeysAreOfferedAsSSHDoes generates host entries with identity files, certificates and agents of all kinds, and
// compares the keys that sshd is offered by ssh and by us, with their algorithms and in their order.
func TestKeysAreOfferedAsSSHDoes(t *testing.T) {
	program := authTool(t, "ssh")
	noLeaks(t)
	server := startAuthServer(t)
	pool := newKeyPool(t)
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o, added := pool.entry(t, rand.New(rand.NewPCG(seed, 3)), server)
			theirs := server.offersTo(t, func() {
				output, _ := exec.Command(program, "-F", pool.write(t, o), "-v", "lab", "true").CombinedOutput()
				if !strings.Contains(string(output), "Permission denied") {
					t.Fatalf("ssh did not get as far as a refusal:\n%s", output)
				}
			})
			c, log := credentials(nil)
			ours := server.offersTo(t, func() {
				_, err := login(t, c, o)
				wantAuthError(t, err, true)
			})
			// ssh offers a key twice where two files hold it; that is a wasted try.
			if theirs = withoutRepeats(theirs); !slices.Equal(ours, theirs) {
				text, _ := os.ReadFile(filepath.Join(pool.dir, "config"))
				t.Errorf("offered\n  %s\nssh offers\n  %s\nconfig:\n%s\nagent holds %v\nour log:\n%s",
					strings.Join(ours, "\n  "), strings.Join(theirs, "\n  "), text, added, log)
			}
		})
	}
}

// TestKeysAfterPartialSuccess compares the offers to a server that wants two keys.
func TestKeysAfterPartialSuccess(t *testing.T) {
	program := authTool(t, "ssh")
	noLeaks(t)
	server := startAuthServer(t, "AuthenticationMethods publickey,publickey")
	pool := &keyPool{dir: t.TempDir()}
	var keys []string
	for _, name := range strings.Fields("a b c d e") {
		keys = append(keys, authKeygen(t, filepath.Join(pool.dir, name)))
	}
	server.authorize(t, keys[1], keys[3])
	o := server.options(t, keys...)
	theirs := server.offersTo(t, func() {
		if output, err := exec.Command(program, "-F", pool.write(t, o), "-v", "lab", "true").CombinedOutput(); err != nil {
			t.Fatalf("ssh: %v\n%s", err, output)
		}
	})
	c, _ := credentials(nil)
	ours := server.offersTo(t, func() {
		if _, err := login(t, c, o); err != nil {
			t.Fatal(err)
		}
	})
	if !slices.Equal(ours, theirs) {
		t.Errorf("offered\n  %s\nssh offers\n  %s", strings.Join(ours, "\n  "), strings.Join(theirs, "\n  "))
	}
}

// afterOffers is what sshd says when no more keys come: its log may arrive later than its answers.
var afterOffers = regexp.MustCompile(`(?m)^(Connection (closed|reset) by|Accepted publickey|Disconnect)`)

// offersTo returns the keys that sshd was asked about while f ran, on one connection.
func (s *authServer) offersTo(t *testing.T, f func()) []string {
	t.Helper()
	before := len(s.log.String())
	f()
	sshtest.Eventually(t, "sshd says how it ended", func() bool { return afterOffers.MatchString(s.log.String()[before:]) })
	var offers []string
	for _, match := range publicKeyOffer.FindAllStringSubmatch(s.log.String()[before:], -1) {
		offers = append(offers, match[1]+" "+match[2])
	}
	return offers
}

func withoutRepeats(all []string) []string {
	var once []string
	for _, one := range all {
		if !slices.Contains(once, one) {
			once = append(once, one)
		}
	}
	return once
}

// keyPool is a directory with keys of all kinds, from which host entries are drawn.
type keyPool struct {
	dir   string
	files []string // identity files, private or public
	certs []string // certificates that stand alone
	plain []string // keys that ssh-add can load without a passphrase
}

func newKeyPool(t *testing.T) *keyPool {
	t.Helper()
	p := &keyPool{dir: t.TempDir()}
	at := func(name string) string { return filepath.Join(p.dir, name) }
	ca := authKeygen(t, at("ca"))
	for name, arguments := range map[string][]string{
		"ed1": nil, "ed2": nil, "ec256": {"-t", "ecdsa"}, "ec384": {"-t", "ecdsa", "-b", "384"},
		"rsa1": {"-t", "rsa", "-b", "2048"}, "rsa2": {"-t", "rsa", "-b", "2048"},
		"pem": {"-t", "rsa", "-b", "2048", "-m", "PEM"}, "pkcs8": {"-t", "ecdsa", "-m", "PKCS8"},
		"small": {"-t", "rsa", "-b", "1024"},
	} {
		p.plain = append(p.plain, authKeygen(t, at(name), arguments...))
	}
	authKeygen(t, at("locked"), "-N", "secret")
	authKeygen(t, at("lockedpem"), "-N", "secret", "-t", "rsa", "-b", "2048", "-m", "PEM")
	for _, name := range []string{"ed2", "rsa2", "locked"} {
		authSign(t, ca, at(name))
	}
	for _, name := range []string{"ec384", "rsa1"} {
		authSign(t, ca, at(name))
		os.Rename(at(name+"-cert.pub"), at(name+".alone"))
		p.certs = append(p.certs, at(name+".alone"))
	}
	for _, name := range []string{"pem", "pkcs8", "lockedpem", "ed2"} {
		os.Remove(at(name + ".pub"))
	}
	slices.Sort(p.plain)
	os.WriteFile(at("garbage"), []byte("# not a key\nat all\n"), 0o600)
	p.files = append(slices.Clone(p.plain), at("locked"), at("lockedpem"), at("garbage"), at("missing"),
		at("ed1.pub"), at("ec256.pub"), at("rsa2.pub"))
	return p
}

// entry draws one host entry and an agent, and returns what the agent holds.
func (p *keyPool) entry(t *testing.T, random *rand.Rand, server *authServer) (*config.Options, []string) {
	t.Helper()
	o := server.options(t, draw(random, p.files, 5)...)
	o.BatchMode = true
	o.IdentitiesOnly = random.IntN(2) == 0
	if random.IntN(3) == 0 {
		o.CertificateFile = draw(random, p.certs, 2)
	}
	o.RequiredRSASize = []int{1024, 2048}[random.IntN(2)]
	switch random.IntN(4) {
	case 0:
		o.PubkeyAcceptedAlgorithms = []string{"rsa-sha2-256", "ssh-ed25519", "rsa-sha2-512-cert-v01@openssh.com"}
	case 1:
		o.PubkeyAcceptedAlgorithms = []string{"ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519-cert-v01@openssh.com"}
	}
	var added []string
	if random.IntN(4) > 0 {
		agent := startAuthAgent(t, "")
		o.IdentityAgent = agent.socket
		if added = draw(random, p.plain, 4); len(added) > 0 {
			agent.add(t, added...)
		}
	}
	return o, added
}

// draw takes up to most of all, in any order.
func draw(random *rand.Rand, all []string, most int) []string {
	var some []string
	for _, i := range random.Perm(len(all))[:min(len(all), random.IntN(most+1))] {
		some = append(some, all[i])
	}
	return some
}

// write puts o into a configuration file for ssh.
func (p *keyPool) write(t *testing.T, o *config.Options) string {
	t.Helper()
	lines := []string{
		"HostName " + o.HostName, fmt.Sprint("Port ", o.Port), "User " + o.User, "BatchMode yes",
		"StrictHostKeyChecking no", "UserKnownHostsFile /dev/null", "GlobalKnownHostsFile /dev/null",
		"IdentityAgent " + cmp.Or(o.IdentityAgent, "none"), fmt.Sprint("RequiredRSASize ", o.RequiredRSASize),
	}
	if o.IdentitiesOnly {
		lines = append(lines, "IdentitiesOnly yes")
	}
	for _, file := range o.IdentityFile {
		lines = append(lines, "IdentityFile "+file.Path)
	}
	if len(o.IdentityFile) == 0 {
		lines = append(lines, "IdentityFile none")
	}
	for _, file := range o.CertificateFile {
		lines = append(lines, "CertificateFile "+file)
	}
	if !slices.Equal(o.PubkeyAcceptedAlgorithms, sshtest.Defaults(t).PubkeyAcceptedAlgorithms) { // else ssh has its own
		lines = append(lines, "PubkeyAcceptedAlgorithms "+strings.Join(o.PubkeyAcceptedAlgorithms, ","))
	}
	path := filepath.Join(p.dir, "config")
	if err := os.WriteFile(path, []byte("Host lab\n"+strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
