//go:build !linux

package systemd

import "time"

// monotonic is asked for by service managers that exist on Linux only.
func monotonic() time.Duration { return 0 }
