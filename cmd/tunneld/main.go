// Command tunneld opens the forwards of an ssh_config alias in process and keeps them open.
package main

import (
	"context"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/scm"
	"github.com/tunneld/tunneld/cmd/tunneld/zone"
)

func main() {
	// A crash ends by SIGABRT: the exit code 2 that Go would give means something else here, and systemd would not start
	// the unit again.
	debug.SetTraceback("crash")
	if local := zone.Described(os.Getenv("TZ")); local != nil {
		time.Local = local
	}
	os.Exit(scm.Run(func(stdout, stderr io.Writer) int { return run(context.Background(), os.Args, stdout, stderr) }))
}
