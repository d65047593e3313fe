package main

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// Exit codes. They are a contract: systemd's RestartPreventExitStatus and people's scripts rely on them.
const (
	exitOK      = 0 // asked to stop; check and health: all good
	exitGaveUp  = 1 // a limit was set and reached, or not healthy
	exitUsage   = 2 // usage, configuration, a local port
	exitRefused = 3 // host key, authentication, no common algorithm
)

// run is the program without the process: it never calls os.Exit. args[0] is the name it was called by.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args[1:])
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if onJournal(stderr, os.Getenv) {
		stderr = priorityWriter{stderr, priorityError}
	}
	return say(stderr, err)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "tunneld",
		Short: "SSH tunnels that stay up",
		Long: `tunneld opens the -L, -R and -D forwards of an ssh_config alias and keeps them open.

  tunneld up ALIAS       run the tunnel in the foreground until told to stop
  tunneld demo           see it work, with nothing else installed`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError(cmd, err) })
	root.AddCommand(upCommand(), statusCommand(), healthCommand(), checkCommand(), configCommand(), explainCommand(), demoCommand(), versionCommand())
	root.AddCommand(steeringCommands()...)
	return root
}
