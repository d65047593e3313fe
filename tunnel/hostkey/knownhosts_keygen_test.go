package hostkey

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config/sshpattern"
)

// Files of known hosts made of odd lines, looked up by us and by ssh-keygen -F.

// lineMaker makes lines by chance, always the same for one seed.
type lineMaker struct {
	*rand.Rand
	keys []string
}

func (m *lineMaker) pick(words ...string) string { return words[m.IntN(len(words))] }

func (m *lineMaker) name() string {
	return m.pick("host.example", "HOST.example", "other.example", "*.example", "host.*", "h?st.example", "*", "[host.example]:2222",
		"[*]:2222", "[host.example]:*", "[host.*]:222?", "[*.example]:2222", "10.0.0.1", "10.0.0.*", "[10.0.0.1]:2222", "[::1]:2222",
		"::1", "", "host", "host.example*", "**.example", "!host.example", "!other.example", "![host.example]:2222", "[host.example]:22")
}

func (m *lineMaker) names() string {
	if m.IntN(4) == 0 {
		name := sshpattern.ToLower(m.pick("host.example", "[host.example]:2222", "10.0.0.1", "other.example", "[::1]:2222"))
		hashed := hashName(name, []byte(fmt.Sprintf("%020d", m.IntN(1000))))
		switch m.IntN(12) {
		case 0:
			return hashed[:len(hashed)-1]
		case 1:
			return strings.Replace(hashed, "|1|", "|2|", 1)
		case 2:
			return hashed + "," + name
		}
		return hashed
	}
	names := make([]string, 1+m.IntN(3))
	for i := range names {
		names[i] = m.name()
	}
	return strings.Join(names, ",")
}

func (m *lineMaker) key() string {
	key := m.pick(m.keys...)
	switch m.IntN(14) {
	case 0:
		return key[:len(key)-m.IntN(8)]
	case 1:
		return strings.Replace(key, " ", "\t \t", 1)
	case 2:
		return key + m.pick(" comment", "\tcomment # more", " ", "\r", "=", "A", "\x00", "\v")
	case 3:
		return "rsa-sha2-256 " + strings.Fields(key)[1]
	case 4:
		return m.pick("ssh-mldsa44-ed25519@openssh.com AAAA", "1024 35 1234", "", "#", "ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519 #", "x y z")
	}
	return key
}

func (m *lineMaker) line() string {
	marker := m.pick("", "", "", "", "", "", "@revoked ", "@cert-authority ", "@cert-authority\t", "@revoked \t", "@other ", "@revoked @revoked ", "#", "@")
	return m.pick("", "", "", " ", "\t") + marker + m.names() + m.pick(" ", " ", " ", "\t", "  \t") + m.key()
}

// found is what both sides say of a line.
var keygenFound = regexp.MustCompile(`(?m)^# Host .* found: line (\d+) ?(CA|REVOKED)?`)

// lookupByKeygen returns "line marker" of all lines that ssh-keygen finds for the name.
func lookupByKeygen(t *testing.T, path, name string) []string {
	output, err := runProgram(t, "ssh-keygen", "-l", "-F", name, "-f", path)
	if err != nil && output == "" {
		return nil
	}
	var found []string
	for _, match := range keygenFound.FindAllStringSubmatch(output, -1) {
		found = append(found, match[1]+" "+match[2])
	}
	return found
}

func lookupByUs(t *testing.T, path, name string) []string {
	lines, err := readKnownHosts(path)
	if err != nil {
		t.Fatal(err)
	}
	words := map[marker]string{markNone: "", markCA: "CA", markRevoked: "REVOKED"}
	var found []string
	for _, known := range (&knownHostsFile{lines: lines}).lookup(name) {
		found = append(found, fmt.Sprintf("%d %s", known.line, words[known.marker]))
	}
	return found
}

func TestLookupsAgreeWithKeygen(t *testing.T) {
	program(t, "ssh-keygen")
	var keys []string
	for _, name := range []string{"ed25519 a", "ed25519 b", "ecdsa a", "rsa a"} {
		keys = append(keys, keyText(testKey(t, name)))
	}
	files := 60
	if testing.Short() {
		files = 10
	}
	lookups, lines := 0, 0
	for seed := range files {
		m := &lineMaker{Rand: rand.New(rand.NewPCG(1, uint64(seed))), keys: keys}
		text := make([]string, 1+m.IntN(25))
		for i := range text {
			text[i] = m.line()
		}
		path := writeLines(t, text...)
		if m.IntN(3) == 0 { // the last line may lack its end
			whole := readFile(t, path)
			if err := os.WriteFile(path, []byte(strings.TrimSuffix(whole, "\n")), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"host.example", "[host.example]:2222", "10.0.0.1", "[10.0.0.1]:2222", "[::1]:2222", "host"} {
			ours, theirs := lookupByUs(t, path, name), lookupByKeygen(t, path, name)
			lookups++
			lines += len(theirs)
			if !slices.Equal(ours, theirs) {
				t.Errorf("seed %d, %s: ours %q, ssh-keygen's %q in\n%s", seed, name, ours, theirs, strings.Join(text, "\n"))
			}
		}
	}
	t.Logf("%d lookups in %d files found %d lines", lookups, files, lines)
	if lines < files {
		t.Error("the files hold next to nothing, so that the test shows nothing")
	}
}
