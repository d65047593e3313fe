package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/systemd"
)

// adoptCommand is for the unit's ExecStartPre=+, as root: what root has put into the service's directory since the last
// start, a new key as a rule, is given to the service's user. systemd itself does that only once, when the directory is not
// the user's yet.
func adoptCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "adopt",
		Short:  "Give what root has put into $STATE_DIRECTORY to its owner",
		Hidden: true,
		Args:   exit.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := os.Getenv("STATE_DIRECTORY")
			if path == "" {
				return &exit.Error{Code: exit.Usage, Err: errors.New("STATE_DIRECTORY is not set: this is for tunneld@.service")}
			}
			var failures []error
			for _, one := range filepath.SplitList(path) { // systemd.exec(5): may be several
				failures = append(failures, systemd.Adopt(cmd.ErrOrStderr(), one))
			}
			return errors.Join(failures...)
		},
	}
}
