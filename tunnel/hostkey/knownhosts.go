package hostkey

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"unique"

	"github.com/tunneld/tunneld/tunnel/sshkey"
	"golang.org/x/crypto/ssh"
)

// known_hosts is read by our own rules, because x/crypto's reader refuses a whole file for one line that it does not
// understand, takes a host's port for part of its name, and honours @revoked for hosts that the line does not name. The
// rules are those of sshd(8), SSH_KNOWN_HOSTS FILE FORMAT, in the reading of OpenSSH's hostfile.c and sshkey.c.

// marker is the first word of a line that begins with @.
type marker byte

const (
	markNone    marker = iota
	markCA             // @cert-authority
	markRevoked        // @revoked
)

// minimumRSABits is the size below which OpenSSH takes no RSA key at all, whatever RequiredRSASize says.
const minimumRSABits = 1024

// knownHostsFile is a file of known hosts as it was when the attempt began.
type knownHostsFile struct {
	path  string
	user  bool // of UserKnownHostsFile, so that keys may be learned into it
	lines []string
	err   error // why it could not be read, also where it is missing; nil: it was
}

// readKnownHosts returns the lines of a file, without their ends. A missing file has none.
func readKnownHosts(path string) ([]string, error) {
	lines, err := readLines(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return lines, err
}

func readLines(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return splitLines(unique.Make(string(text)).Value()), nil // each connection keeps them
}

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// knownHost is a line that names the host that was looked up and holds a key that can be read.
type knownHost struct {
	file    string // path, or the command's name
	line    int    // 1 is the first
	user    bool   // the file is of UserKnownHostsFile
	command bool   // it came from KnownHostsCommand
	marker  marker
	hosts   string // the list of names as it stands there
	key     ssh.PublicKey
}

// source returns "file:line".
func (k *knownHost) source() string { return fmt.Sprintf("%s:%d", k.file, k.line) }

// lookup returns the lines that name the host. Lines that cannot be read are skipped: one bad line, or a key of a type that only a
// newer OpenSSH knows, must not affect other hosts.
func (f *knownHostsFile) lookup(name string) knownHosts {
	var found knownHosts
	for i, text := range f.lines {
		line, ok := parseKnownHostsLine(text)
		if !ok || !matchNames(line.hosts, name) {
			continue
		}
		key, err := parseKeyText(line.key)
		if err != nil {
			continue
		}
		found = append(found, knownHost{
			file: f.path, line: i + 1, user: f.user, marker: line.marker, hosts: line.hosts, key: key,
		})
	}
	return found
}

// knownHostsLine is a line cut into its parts; the key is not read yet.
type knownHostsLine struct {
	marker marker
	hosts  string // comma separated patterns, or one hashed name
	key    string // type, base64 and comment
}

// parseKnownHostsLine reports false for blank lines, comments and lines with a marker that OpenSSH does not know.
func parseKnownHostsLine(text string) (knownHostsLine, bool) {
	text, _, _ = strings.Cut(text, "\x00") // a C string ends here
	text = strings.TrimLeft(text, " \t")
	if text == "" || text[0] == '#' {
		return knownHostsLine{}, false
	}
	mark, text, ok := cutMarker(text)
	if !ok {
		return knownHostsLine{}, false
	}
	end := strings.IndexAny(text, " \t")
	if end < 0 {
		return knownHostsLine{}, false
	}
	line := knownHostsLine{marker: mark, hosts: text[:end], key: strings.TrimLeft(text[end:], " \t")}
	return line, line.key != "" && line.key[0] != '#'
}

// cutMarker takes the marker off. It ends at the first blank of the line, and at a tab only where the line has no blank:
// check_markers looks for them in that order.
func cutMarker(text string) (mark marker, rest string, ok bool) {
	if text[0] != '@' {
		return markNone, text, true
	}
	end := strings.IndexByte(text, ' ')
	if end < 0 {
		end = strings.IndexByte(text, '\t')
	}
	if end < 0 {
		return markNone, "", false
	}
	switch text[:end] {
	case "@cert-authority":
		mark = markCA
	case "@revoked":
		mark = markRevoked
	default:
		return markNone, "", false
	}
	rest = strings.TrimLeft(text[end:], " \t")
	return mark, rest, !strings.HasPrefix(rest, "@") // only one marker is allowed
}

var errKeyText = errors.New("not a public key")

// parseKeyText reads "type base64 comment". The type must be the one that the key itself names.
func parseKeyText(text string) (ssh.PublicKey, error) {
	name, rest, ok := cutBlank(text)
	if !ok {
		return nil, errKeyText
	}
	encoded, _, _ := cutBlank(strings.TrimLeft(rest, " \t"))
	blob, err := decodeBase64(encoded)
	if err != nil {
		return nil, err
	}
	key, err := parseKeyBlob(blob)
	if err != nil {
		return nil, err
	}
	if key.Type() != name && (key.Type() != ssh.KeyAlgoRSA || name != ssh.KeyAlgoRSASHA256 && name != ssh.KeyAlgoRSASHA512) {
		return nil, fmt.Errorf("the key is of type %s, the line says %s", key.Type(), name)
	}
	return key, nil
}

func cutBlank(text string) (before, after string, found bool) {
	end := strings.IndexAny(text, " \t")
	if end < 0 {
		return text, "", false
	}
	return text[:end], text[end:], true
}

// decodeBase64 is as strict as OpenSSH's decoder: padding is needed, spare bits are zero, white space is skipped. The
// last is what makes files with CRLF readable.
func decodeBase64(text string) ([]byte, error) {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune("\r\n\v\f", r) {
			return -1
		}
		return r
	}, text)
	return base64.StdEncoding.Strict().DecodeString(text)
}

// parseKeyBlob reads a key in the wire format (RFC 4253 §6.6) and refuses RSA keys that OpenSSH does not read.
func parseKeyBlob(blob []byte) (ssh.PublicKey, error) {
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil, err
	}
	if bits := sshkey.RsaBits(key); bits > 0 && bits < minimumRSABits {
		return nil, fmt.Errorf("RSA key of %d bits", bits)
	}
	return key, nil
}
