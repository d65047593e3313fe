package tunnel

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// The occasions on which KnownHostsCommand is run; %I.
const (
	commandOrder    = "ORDER"
	commandHostname = "HOSTNAME"
	commandAddress  = "ADDRESS"
)

const (
	commandPatience  = 10 * time.Second // how long KnownHostsCommand may take
	maxCommandOutput = 4 << 20          // bytes; more is a command gone wrong
	maxCommandErrors = 1 << 10          // bytes of its stderr that are shown
)

// runCommand runs KnownHostsCommand and gives those of its lines that name the host. key is nil while it is not known yet.
//
// A command that can not be started is warned about and gives nothing, one that fails ends the attempt; ssh does the same.
// The failure is transient, because such commands ask directories over the network.
func (h *hostKeys) runCommand(ctx context.Context, occasion, name string, key ssh.PublicKey) (knownHosts, error) {
	words, err := splitCommand(h.options.KnownHostsCommand)
	if err == nil {
		err = executable(words)
	}
	if err != nil {
		h.log.Warn("KnownHostsCommand not run", "err", err)
		return nil, nil
	}
	values := commandValues(occasion, name, key)
	for i := range words[1:] {
		words[i+1] = expandTokens(words[i+1], values)
	}
	output, err := output(ctx, words)
	if err != nil {
		return nil, h.interrupted(fmt.Errorf("KnownHostsCommand %s: %w", words[0], err))
	}
	file := knownHostsFile{path: "KnownHostsCommand-" + occasion, lines: splitLines(output)}
	found := file.lookup(name)
	for i := range found {
		found[i].command = true
	}
	return found, nil
}

func commandValues(occasion, name string, key ssh.PublicKey) map[byte]string {
	values := map[byte]string{'I': occasion, 'H': name, 't': "NONE", 'f': "NONE", 'K': "NONE"}
	if key != nil {
		values['t'] = key.Type()
		values['f'] = ssh.FingerprintSHA256(plainKey(key))
		values['K'] = base64.StdEncoding.EncodeToString(key.Marshal())
	}
	return values
}

// expandTokens puts values in the place of %-tokens, and % in the place of %%. The configuration has expanded the others.
func expandTokens(template string, values map[byte]string) string {
	var b strings.Builder
	for i := 0; i < len(template); i++ {
		if template[i] != '%' || i+1 == len(template) {
			b.WriteByte(template[i])
			continue
		}
		i++
		if value, ok := values[template[i]]; ok {
			b.WriteString(value)
		} else if template[i] == '%' {
			b.WriteByte('%')
		} else {
			b.WriteString(template[i-1 : i+1])
		}
	}
	return b.String()
}

func executable(words []string) error {
	if len(words) == 0 {
		return errors.New("it is empty")
	}
	if !filepath.IsAbs(words[0]) {
		return fmt.Errorf("%s is not an absolute path", words[0])
	}
	_, err := os.Stat(words[0])
	return err
}

// output runs a command, without a shell and with an empty standard input, and kills it with its children when its time
// is up.
func output(ctx context.Context, words []string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandPatience, fmt.Errorf("not done after %s", commandPatience))
	defer cancel()
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	ownGroup(command)
	command.Cancel = func() error { kill(command); return nil }
	command.WaitDelay = time.Second // for children that keep the pipes open
	stdout := &boundedBuffer{limit: maxCommandOutput, full: fmt.Errorf("more than %d bytes of output", maxCommandOutput)}
	stderr := &boundedBuffer{limit: maxCommandErrors}
	command.Stdout, command.Stderr = stdout, stderr
	err := command.Run()
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case stdout.cut:
		return "", stdout.full
	case err != nil && stderr.kept.Len() > 0:
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.kept.String()))
	case err != nil:
		return "", err
	}
	return stdout.kept.String(), nil
}

// boundedBuffer keeps the first bytes that are written to it. The buffer is not embedded, lest io.Copy find its ReadFrom
// and get around the limit.
type boundedBuffer struct {
	kept  bytes.Buffer
	limit int
	full  error // what a write beyond the limit gives; nil drops its bytes silently
	cut   bool  // there was one
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	room := b.limit - b.kept.Len()
	b.kept.Write(p[:min(len(p), room)])
	if len(p) > room {
		b.cut = true
		return len(p), b.full
	}
	return len(p), nil
}

// splitCommand cuts a command into words by the rules of argv_split in OpenSSH's misc.c: quotes of both kinds, and a
// backslash only before quotes, backslashes and, outside of quotes, blanks.
func splitCommand(command string) ([]string, error) {
	var words []string
	rest := strings.TrimLeft(command, " \t")
	for rest != "" {
		word, after, err := cutWord(rest)
		if err != nil {
			return nil, err
		}
		words = append(words, word)
		rest = strings.TrimLeft(after, " \t")
	}
	return words, nil
}

func cutWord(s string) (word, rest string, err error) {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (strings.IndexByte(`'"\`, s[i+1]) >= 0 || quote == 0 && s[i+1] == ' '):
			i++
			b.WriteByte(s[i])
		case quote == 0 && (c == ' ' || c == '\t'):
			return b.String(), s[i:], nil
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", "", errors.New("it ends inside of quotes")
	}
	return b.String(), "", nil
}
