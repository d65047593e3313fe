//go:build !linux

package pid1

import "log/slog"

// Reap is for containers, which are Linux.
func Reap(*slog.Logger) (stop func()) { return func() {} }
