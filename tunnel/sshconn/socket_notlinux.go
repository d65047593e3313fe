//go:build unix && !linux

package sshconn

import "github.com/tunneld/tunneld/config"

// setUserTimeout does nothing: only Linux has TCP_USER_TIMEOUT. Keepalives notice a dead connection all the same.
func setUserTimeout(int, *config.Options) error { return nil }

// setUnsent does nothing: the queue of the kernel stays as it is.
func setUnsent(int) error { return nil }
