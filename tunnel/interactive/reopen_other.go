//go:build unix && !linux

package interactive

import "golang.org/x/sys/unix"

const noSignal = 0 // Go has SIGPIPE ignored for descriptors above 2

// reopen is not to be had: /dev/fd/N is the same opening there.
func reopen(int, int, *unix.Stat_t) (way, error) { return nil, unix.ENOTSUP }
