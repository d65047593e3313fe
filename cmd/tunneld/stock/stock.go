// Package stock knows the ssh that is installed on this machine, as far as clients of a ControlPath differ by its version.
package stock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/procgroup"
)

// SSH is that program, as far as it has been asked. The zero value is ready: it has not.
type SSH struct {
	program string // that has answered; empty: none has
	changed time.Time
	older   bool
}

// Path returns the ControlPath as that ssh expands it: %C tells jump hosts apart since OpenSSH 9.6. Without an ssh, it is as
// the newest does. The error says that it does not answer, which may change.
func (s *SSH) Path(ctx context.Context, m config.Master) (string, error) {
	if m.Path == m.JumpPath {
		return m.JumpPath, nil
	}
	older, err := s.isOlder(ctx)
	switch {
	case err != nil:
		return "", err
	case older:
		return m.Path, nil
	}
	return m.JumpPath, nil
}

// isOlder reports whether it is older than 9.6. It is asked once, and again when it has been replaced.
func (s *SSH) isOlder(ctx context.Context) (bool, error) {
	program, err := exec.LookPath("ssh")
	if err != nil {
		return false, nil
	}
	file, err := os.Stat(program)
	if err != nil {
		return false, nil
	}
	if program != s.program || !file.ModTime().Equal(s.changed) {
		older, err := ask(ctx, program)
		if err != nil {
			return false, err
		}
		*s = SSH{program, file.ModTime(), older}
	}
	return s.older, nil
}

var version = regexp.MustCompile(`OpenSSH_(\d+)\.(\d+)`)

const (
	versionTime = 5 * time.Second // that an ssh may take to say its version
	pipeTime    = time.Second     // that what it has started may keep its output open
)

// ask reports whether the program says that it is older than 9.6. One that is no OpenSSH is not.
func ask(ctx context.Context, program string) (older bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, versionTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-V")
	procgroup.Lead(cmd)
	cmd.Cancel, cmd.WaitDelay = func() error { return procgroup.Kill(cmd) }, pipeTime
	text, err := cmd.CombinedOutput()
	found := version.FindSubmatch(text)
	switch {
	case found != nil:
	case ctx.Err() != nil:
		return false, fmt.Errorf("%s -V: %w", program, context.Cause(ctx))
	case errors.Is(err, exec.ErrWaitDelay):
		return false, fmt.Errorf("%s -V: %w", program, err)
	default:
		return false, nil
	}
	major, _ := strconv.Atoi(string(found[1]))
	minor, _ := strconv.Atoi(string(found[2]))
	return major < 9 || major == 9 && minor < 6, nil
}
