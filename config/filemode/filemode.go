// Package filemode sets the permission bits of what this program has just made, and of nothing that somebody has put in its
// place. It is a leaf below config because cmd/tunneld and tunnel both make sockets.
package filemode

import (
	"errors"
	"os"
)

// errNotOurSocket says that something else is now where we have just made a socket.
var errNotOurSocket = errors.New("something else has taken the place of the socket")

// Socket sets the permission bits of the socket at path, which we have just made. Whoever may write to its directory can
// put a link to another file there, or another file itself, in the meantime: then that is left alone, and it is an error.
func Socket(path string, mode os.FileMode) error {
	if err := chmodOwnSocket(path, uint32(mode.Perm())); err != nil {
		return &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	return nil
}

// NoFollow is for opening a file of ours at a path where somebody may have put a link.
const NoFollow = noFollow
