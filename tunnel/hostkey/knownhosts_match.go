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
)

// maxPattern is the longest pattern of a list that OpenSSH's match_pattern_list looks at; a longer one makes the whole
// list match nothing.
const maxPattern = 1022

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
	return lowerASCII(host)
}

// lowerASCII is tolower(3) in the C locale: it changes ASCII letters only, and leaves bytes alone that are not UTF-8.
func lowerASCII(s string) string {
	lower := []byte(s)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
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
	return matchPatternList(names, name)
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

// matchPatternList reports whether one of the comma separated patterns matches and none that is negated by ! does.
func matchPatternList(list, name string) bool {
	matched := false
	for pattern := range strings.SplitSeq(list, ",") {
		pattern, negated := strings.CutPrefix(pattern, "!")
		if len(pattern) > maxPattern {
			return false
		}
		if !matchPattern(lowerASCII(pattern), name) {
			continue
		}
		if negated {
			return false
		}
		matched = true
	}
	return matched
}

// matchPattern knows * for any bytes and ? for one byte. It goes back to the last * only, so that its time is bounded by
// the product of the lengths.
func matchPattern(pattern, s string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
