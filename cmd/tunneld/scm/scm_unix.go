//go:build unix

package scm

import (
	"io"
	"os"
)

// Run runs the program and returns its exit code.
func Run(program func(stdout, stderr io.Writer) int) int { return program(os.Stdout, os.Stderr) }
