package main

import (
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/tunneld/tunneld/cmd/tunneld/demo"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
)

func demoCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a tunnel carry data, be cut and come back, all in here",
		Long: `Starts an SSH server of its own on loopback in this process, opens -L, -R and -D through it, sends data through each,
cuts the connection under load, and shows it come back. It uses throw-away keys in a temporary directory and reads
nothing of yours. It ends by itself.`,
		Args: exit.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if err := demo.Run(ctx, cmd.OutOrStdout(), keep); err != nil {
				return &exit.Error{Code: exit.GaveUp, Err: err}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the server and the tunnel open until interrupted")
	return cmd
}
