// Command tunneld opens the forwards of an ssh_config alias in process and keeps them open.
package main

import (
	"context"
	"os"
	"runtime/debug"
)

func main() {
	// A crash ends by SIGABRT: the exit code 2 that Go would give means something else here, and systemd would not start
	// the unit again.
	debug.SetTraceback("crash")
	os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr))
}
