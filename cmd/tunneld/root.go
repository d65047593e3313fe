package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tunneld/tunneld/cmd/tunneld/complete"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/output"
	"github.com/tunneld/tunneld/cmd/tunneld/systemd"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
)

// run is the program without the process: it never calls os.Exit. args[0] is the name it was called by.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if calledAutossh(args) {
		return runAutossh(ctx, args, stdout, stderr)
	}
	root := rootCommand()
	root.SetArgs(args[1:])
	root.SetOut(stdout)
	root.SetErr(stderr)
	strictDefaults(root)
	if complete.IsRequest(args) {
		return exit.Print(stderr, asUsage(complete.Answer(ctx, root, args, stdout)))
	}
	began := false
	onceItRuns(root, func() { began = true })
	err := root.ExecuteContext(ctx)
	if err != nil && !began { // a word or a flag that the command line cannot have
		err = asUsage(err)
	}
	if systemd.OnJournal(stderr, os.Getenv) {
		stderr = systemd.PriorityWriter{W: stderr, Priority: systemd.PriorityError}
	}
	if output.WantsJSON(args[1:]) {
		return output.PrintJSON(stderr, err)
	}
	return exit.Print(stderr, err)
}

// onceItRuns calls begin when a command has been understood and runs.
func onceItRuns(cmd *cobra.Command, begin func()) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			begin()
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		onceItRuns(sub, begin)
	}
}

// asUsage returns err the exit code of a usage error, unless it has one.
func asUsage(err error) error {
	if err == nil {
		return nil
	}
	var said *exit.Error
	if errors.As(err, &said) {
		return err
	}
	return &exit.Error{Code: exit.Usage, Err: err}
}

func rootCommand() *cobra.Command {
	asked := false // for the version
	root := &cobra.Command{
		Use:           "tunneld",
		Short:         "SSH tunnels that stay up",
		Long:          "SSH tunnels that stay up: opens the forwards of an ssh_config alias, and keeps\nthem open.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asked {
				return printVersion(cmd.OutOrStdout())
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVarP(&asked, "version", "V", false, "print the version")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return exit.UsageError(cmd, err) })
	others := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd == root {
			overview(root)
		} else {
			others(cmd, args)
		}
	})
	root.AddCommand(upCommand(), statusCommand(), listCommand(), logCommand(), healthCommand(), checkCommand(), configCommand(), explainCommand(), demoCommand(), versionCommand(), unitCommand(), manCommand(), adoptCommand(), autosshCommand(), connectCommand(), completionCommand())
	root.AddCommand(steeringCommands()...)
	root.AddCommand(forwardCommands()...)
	root.CompletionOptions.DisableDefaultCmd = true
	offerNothing(root)
	return root
}

// strictDefaults has cobra's own help refuse what it does not know: `help foo` is a slip as `foo` is.
func strictDefaults(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if topic, _, err := root.Find(args); err != nil || topic == root && len(args) > 0 {
					return knownCommand(root, args)
				}
				return nil
			}
		}
	}
}

// knownCommand refuses a word that is no command, and says which one may have been meant.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, one := range cmd.Commands() {
		names = append(names, one.Name())
	}
	e := &exit.Error{Code: exit.Usage, Err: fmt.Errorf("unknown command %q", args[0]), Hint: "`tunneld help` lists them; an alias goes behind `tunneld up`"}
	if near := config.Nearest(args[0], names); near != "" {
		e.Hint = fmt.Sprintf("did you mean `tunneld %s`?", near)
	}
	if environment, err := config.CurrentEnvironment(); err == nil && isDestination(environment, args[0]) {
		e.Hint = "did you mean: tunneld up " + foreign.Own(args[0]).String()
	}
	return e
}

// isDestination reports whether word is an alias of ssh_config, or user@host.
func isDestination(environment config.Environment, word string) bool {
	aliases, _ := config.Aliases(environment, "") // of a file that cannot be read, none
	return strings.Contains(word, "@") || slices.Contains(aliases, word)
}

// lesser are the commands that the overview only names.
var lesser = []string{"completion", "help", "unit", "version"}

// overview is `tunneld help`: it fits on a screen of 24 lines.
func overview(root *cobra.Command) {
	out := root.OutOrStdout()
	fmt.Fprintf(out, "%s\n\n", root.Long)
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() && !slices.Contains(lesser, cmd.Name()) {
			fmt.Fprintf(out, "  %-10s  %s\n", cmd.Name(), cmd.Short)
		}
	}
	fmt.Fprintf(out, "  and %s\n", strings.Join(lesser, ", "))
	fmt.Fprint(out, "\nTo begin: `tunneld demo`, then `tunneld up ALIAS` with an alias of ~/.ssh/config\n"+
		"that has forwards, or `tunneld up bob@host -D 1080`.\n`tunneld COMMAND --help` says more.\n")
}
