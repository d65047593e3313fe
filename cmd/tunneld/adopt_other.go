//go:build !linux

package main

import (
	"errors"
	"io"
)

// adopt is for systemd, which only Linux has.
func adopt(io.Writer, string) error { return errors.New("this is for systemd") }
