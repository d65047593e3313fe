package config

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"os/user"
	"strings"

	"github.com/tunneld/tunneld/config/foreign"
)

// expand replaces %-tokens by their values where tokens is not nil, and ${VARIABLE} by its value where getenv is not nil.
// An unknown token and a variable that is not set are errors.
func expand(text string, tokens map[byte]string, getenv func(string) (string, bool)) (string, error) {
	var out strings.Builder
	var missing error
	for i := 0; i < len(text); i++ {
		switch {
		case getenv != nil && strings.HasPrefix(text[i:], "${"):
			name, _, closed := strings.Cut(text[i+2:], "}")
			if !closed {
				return "", fmt.Errorf("%q has no closing brace", text[i:])
			}
			if name == "" {
				return "", fmt.Errorf("${} names no environment variable")
			}
			value, ok := getenv(name)
			if !ok && missing == nil {
				missing = fmt.Errorf("the environment variable %s is not set", foreign.Own(name))
			}
			out.WriteString(value)
			i += len("${") + len(name)
		case text[i] != '%' || tokens == nil:
			out.WriteByte(text[i])
		default:
			i++
			if i == len(text) {
				return "", fmt.Errorf("a %% stands alone at the end; write %%%% for a percent sign")
			}
			if text[i] == '%' {
				out.WriteByte('%')
				continue
			}
			value, ok := tokens[text[i]]
			if !ok {
				return "", fmt.Errorf("%q is not a token here; write %%%% for a percent sign", text[i-1:i+1])
			}
			out.WriteString(value)
		}
	}
	return out.String(), missing
}

// ExpandRuntimeTokens fills in the tokens of KnownHostsCommand that are known only when it runs: values holds them by
// letter (f, H, I, K and t). "%%" becomes "%", and a token without a value stays as it is.
func ExpandRuntimeTokens(template string, values map[byte]string) string {
	var out strings.Builder
	for i := 0; i < len(template); i++ {
		if template[i] != '%' || i+1 == len(template) {
			out.WriteByte(template[i])
			continue
		}
		i++
		value, ok := values[template[i]]
		switch {
		case ok:
			out.WriteString(value)
		case template[i] == '%':
			out.WriteByte('%')
		default:
			out.WriteString(template[i-1 : i+1])
		}
	}
	return out.String()
}

// pick returns the tokens with the given letters.
func pick(tokens map[byte]string, letters string) map[byte]string {
	some := map[byte]string{}
	for i := range len(letters) {
		some[letters[i]] = tokens[letters[i]]
	}
	return some
}

// connectionHash returns %C, which identifies a connection. jump is %j, which has been a part of it since OpenSSH 9.6.
func connectionHash(localHost, host, port, user, jump string) string {
	sum := sha1.Sum([]byte(localHost + host + port + user + jump))
	return hex.EncodeToString(sum[:])
}

// expandTilde replaces "~" by our home directory and "~name" by the one of that user.
func expandTilde(path, home string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~")
	if !ok {
		return path, nil
	}
	name, below, _ := strings.Cut(rest, "/")
	if name != "" {
		account, err := user.Lookup(name)
		if err != nil {
			return "", fmt.Errorf("there is no user %s", foreign.Own(name))
		}
		home = account.HomeDir
	}
	if !strings.HasSuffix(home, "/") {
		home += "/"
	}
	return home + strings.TrimLeft(below, "/"), nil
}
