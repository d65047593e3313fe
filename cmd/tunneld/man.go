package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/build"
	"github.com/tunneld/tunneld/cmd/tunneld/manual"
)

// manCommand is for `make install` and packages.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man",
		Short:  "Print the manual page",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), manualPage(cmd.Root()))
			return err
		},
	}
}

func manualPage(root *cobra.Command) string {
	return manual.Page(root, sshFlagsHelp, manual.Made{Version: versionText(), Date: build.Date()})
}
