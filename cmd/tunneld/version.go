package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/build"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
)

// Set by the linker in builds without version control, for example of a release or in a container.
var version, commit, date string

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and date",
		Args:  exit.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printVersion(cmd.OutOrStdout())
		},
	}
}

func printVersion(w io.Writer) error {
	o := origin()
	_, err := fmt.Fprintf(w, "tunneld %s %s %s/%s%s\n", o.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, o)
	return err
}

func versionText() string { return origin().Version }

func origin() build.Origin {
	return build.Of(build.Origin{Version: version, Commit: commit, Date: date})
}
