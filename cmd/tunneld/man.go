package main

import (
	"cmp"
	"io"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/build"
	"github.com/tunneld/tunneld/cmd/tunneld/manual"
)

// manCommand is for `make install` and packages.
func manCommand() *cobra.Command {
	var source bool
	cmd := &cobra.Command{
		Use:    "man",
		Short:  "Print the manual page",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			made := origin()
			if source {
				made = build.Origin{}
			}
			_, err := io.WriteString(cmd.OutOrStdout(), manualPage(cmd.Root(), made))
			return err
		},
	}
	cmd.Flags().BoolVar(&source, "source", false, "as it stands in the source, without version")
	return cmd
}

func manualPage(root *cobra.Command, o build.Origin) string {
	return manual.Page(root, sshFlagsHelp, manual.Made{Version: o.Version, Date: cmp.Or(o.Date, build.WrittenOn)})
}
