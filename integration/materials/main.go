// Command materials says what the program is made of: `materials licences` prints docs/licences.md, `materials sbom BINARY VERSION` the
// bill of materials of a program that was built, in CycloneDX's format. What it prints depends on the sources alone, so that a release can be
// made again.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "materials:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == "licences":
		return printLicences(out)
	case len(args) == 3 && args[0] == "sbom":
		return printBill(out, args[1], args[2])
	}
	return fmt.Errorf("usage: materials licences, or materials sbom BINARY VERSION")
}
