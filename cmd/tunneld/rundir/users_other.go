//go:build !linux

package rundir

import (
	"context"
	"errors"
	"net"
)

// UserSocket is a control socket of another user, for root to look at.
type UserSocket struct {
	UID  int
	Path string // for people
	More bool   // the user has more sockets
}

// UserSockets returns none: nothing proves here who listens.
func UserSockets(_, _ string, _ []Directory) []UserSocket { return nil }

// Dial does not connect.
func (s UserSocket) Dial(context.Context) (net.Conn, error) { return nil, errors.ErrUnsupported }
