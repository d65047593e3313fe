package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// hostKeys decides for one connection attempt whether the server is the one that was meant.
type hostKeys struct {
	options *config.Options
	ask     Asker
	log     *slog.Logger
}

// newHostKeys reads the files of known hosts anew. ctx bounds KnownHostsCommand; ask may be nil.
func newHostKeys(ctx context.Context, o *config.Options, ask Asker, log *slog.Logger) (*hostKeys, error) {
	return &hostKeys{options: o, ask: ask, log: log}, nil
}

// algorithms gives HostKeyAlgorithms for ssh.ClientConfig, the ones of known keys first.
func (h *hostKeys) algorithms() []string { return nil }

// check tells whether key may be trusted. remote is nil where the server is not reached directly.
func (h *hostKeys) check(ctx context.Context, remote net.Addr, key ssh.PublicKey) error {
	return &Error{Phase: PhaseHostKey, Permanent: true, Err: errors.New("not yet checked")}
}

// update learns the keys of a hostkeys-00@openssh.com request and forgets the ones that the server gave up.
func (h *hostKeys) update(ctx context.Context, conn ssh.Conn, keys [][]byte) error { return nil }
