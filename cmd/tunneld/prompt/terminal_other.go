//go:build !unix || aix || solaris || illumos

package prompt

import (
	"context"
	"os"

	"github.com/tunneld/tunneld/tunnel"
)

// openTerminal is not done on this system: SSH_ASKPASS and files serve.
func openTerminal(string) (*os.File, error) { return nil, tunnel.ErrNobody }

func readLine(context.Context, *os.File, string, bool) (string, error) { return "", tunnel.ErrNobody }
