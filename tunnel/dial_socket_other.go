//go:build !unix

package tunnel

import (
	"log/slog"
	"net"

	"github.com/tunneld/tunneld/config"
)

// tune does nothing: IPQoS and TCP_USER_TIMEOUT are for Unix systems.
func tune(*net.TCPConn, *config.Options, *slog.Logger) {}
