package hostkey

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/tunneld/tunneld/config/sshpattern"
)

// hashMagic begins a hashed name.
const hashMagic = "|1|"

// hostKeyName returns the name under which a host stands in known_hosts: in brackets with the port unless that is 22. An
// address is written in its shortest form, as ssh does before it looks.
func hostKeyName(host string, port int) string {
	host = canonicalHost(host)
	if port == 22 {
		return host
	}
	return "[" + host + "]:" + strconv.Itoa(port)
}

func canonicalHost(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.String()
	}
	return sshpattern.ToLower(host)
}

// addressName returns the name of the peer's address in known_hosts, or "" where there is no address.
func addressName(remote net.Addr, port int) string {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return ""
	}
	host := tcp.IP.String()
	if tcp.Zone != "" {
		host += "%" + tcp.Zone
	}
	return hostKeyName(host, port)
}

// matchNames reports whether the list of names of a line, or its hashed name, means the lower-case name.
func matchNames(names, name string) bool {
	if strings.HasPrefix(names, "|") {
		return matchHashed(names, name)
	}
	return sshpattern.MatchList(name, names, true) == sshpattern.Positive
}

func matchHashed(hashed, name string) bool {
	rest, ok := strings.CutPrefix(hashed, hashMagic)
	if !ok {
		return false
	}
	encoded, _, ok := strings.Cut(rest, "|")
	if !ok {
		return false
	}
	salt, err := decodeBase64(encoded)
	if err != nil || len(salt) != sha1.Size {
		return false
	}
	return hashName(name, salt) == hashed
}

// hashName returns |1|salt|HMAC-SHA1(salt, name)|, the form that HashKnownHosts asks for. salt has 20 bytes.
func hashName(name string, salt []byte) string {
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return hashMagic + base64.StdEncoding.EncodeToString(salt) + "|" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func newSalt() []byte {
	salt := make([]byte, sha1.Size)
	rand.Read(salt) // crypto/rand.Read never fails
	return salt
}
