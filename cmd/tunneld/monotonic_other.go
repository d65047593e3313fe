//go:build !linux

package main

import "time"

// monotonic is asked for by service managers that exist on Linux only.
func monotonic() time.Duration { return 0 }
