package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// The units are embedded from here, and lie in deploy/systemd for those who package; a test keeps them equal.
var (
	//go:embed tunneld@.service
	systemUnit string
	//go:embed tunneld@.user.service
	userUnit string
)

// unitBinary is the path of tunneld in the embedded units.
const unitBinary = "/usr/bin/tunneld"

func unitCommand() *cobra.Command {
	var user bool
	cmd := &cobra.Command{
		Use:   "unit [--user]",
		Short: "Print the systemd unit tunneld@.service",
		Long: `Prints the systemd template unit, with the path of this program in it:

  tunneld unit | sudo tee /etc/systemd/system/tunneld@.service
  sudo systemctl daemon-reload
  sudo systemctl enable --now tunneld@ALIAS

The system's unit runs as a user of its own, and says at its top where the aliases and keys of that user are. The one for
--user runs as you, with your ~/.ssh, and goes to ~/.config/systemd/user/tunneld@.service.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := systemUnit
			if user {
				text = userUnit
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), strings.ReplaceAll(text, unitBinary, ownPath()))
			return err
		},
	}
	cmd.Flags().BoolVar(&user, "user", false, "the unit for your own service manager (systemctl --user)")
	return cmd
}

// ownPath gives where this program is, in the form of systemd.service(5); that of a package where it can not be told.
func ownPath() string {
	path, err := os.Executable()
	if err != nil || !filepath.IsAbs(path) {
		return unitBinary
	}
	return strings.NewReplacer("%", "%%", " ", `\x20`).Replace(path)
}
