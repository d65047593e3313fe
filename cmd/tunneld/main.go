// Command tunneld opens the forwards of an ssh_config alias in process and keeps them open.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr))
}
