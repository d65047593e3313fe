package hostkey

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/config/procgroup"
	"github.com/tunneld/tunneld/tunnel/sshkey"
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

// runCommand runs KnownHostsCommand and returns those of its lines that name the host. key is nil while it is not known yet.
//
// As with ssh, a command that cannot be started costs a warning and returns nothing, and one that fails ends the attempt. The
// failure is transient, because such commands ask directories over the network.
func (h *Keys) runCommand(ctx context.Context, occasion, name string, key ssh.PublicKey) (knownHosts, error) {
	words, err := config.SplitWords(h.options.KnownHostsCommand)
	values := commandValues(occasion, name, key)
	for i := range words {
		words[i] = config.ExpandRuntimeTokens(words[i], values)
	}
	if err == nil {
		err = executable(words)
	}
	if err != nil {
		h.log.Warn("KnownHostsCommand not run", "err", err)
		return nil, nil
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
		values['f'] = ssh.FingerprintSHA256(sshkey.Plain(key))
		values['K'] = base64.StdEncoding.EncodeToString(key.Marshal())
	}
	return values
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

// output runs a command without a shell and with an empty standard input, and kills it and its children when its time is up.
func output(ctx context.Context, words []string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandPatience, fmt.Errorf("not done after %s", commandPatience))
	defer cancel()
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	procgroup.Lead(command)
	command.Cancel = func() error { procgroup.Kill(command); return nil }
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
		return "", fmt.Errorf("%w: %s", err, foreign.Line(stderr.kept.String()))
	case err != nil:
		return "", err
	}
	return stdout.kept.String(), nil
}

// boundedBuffer keeps the first bytes that are written to it. The buffer is not embedded: io.Copy would find its ReadFrom and get
// around the limit.
type boundedBuffer struct {
	kept  bytes.Buffer
	limit int
	full  error // what a write beyond the limit returns; nil: its bytes are dropped silently
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
