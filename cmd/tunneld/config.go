package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
)

func configCommand() *cobra.Command {
	var flags sshFlags
	cmd := &cobra.Command{
		Use:   "config ALIAS [ssh options]",
		Short: "Print the effective options as ssh -G does, and tunneld's own",
		Long: "Prints the effective options of ALIAS in the format of `ssh -G`: a keyword in lower case, a blank and the value on each\n" +
			"line, tunneld's own keywords among them.",
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := resolveOne(cmd, &flags, args)
			if err != nil {
				return err
			}
			return o.Print(cmd.OutOrStdout())
		},
	}
	cmd.ValidArgsFunction = completeAlias(&flags, 1)
	flags.register(cmd)
	return cmd
}

func explainCommand() *cobra.Command {
	var flags sshFlags
	cmd := &cobra.Command{
		Use:   "explain ALIAS... [ssh options]",
		Short: "Say where each option comes from, and what is ignored",
		Long: "Prints every option of each ALIAS, or of those that match a quoted pattern, with the file and line that it comes from, what was skipped or ignored, and why.\n" +
			"A tunnel that runs takes what is about the way to the server with its next connection, and all else with `tunneld reload`.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return eachAlias(cmd, &flags, args, func(alias string) error {
				o, err := resolveOne(cmd, &flags, []string{alias})
				if err != nil {
					return err
				}
				return o.Explain(cmd.OutOrStdout())
			})
		},
	}
	cmd.ValidArgsFunction = completeAlias(&flags, 0)
	flags.register(cmd)
	return cmd
}

// eachAlias calls do for each alias that was typed, patterns among them, with its name above where there are several, and
// returns all that has failed.
func eachAlias(cmd *cobra.Command, flags *sshFlags, typed []string, do func(alias string) error) error {
	if len(typed) == 0 {
		return exit.UsageError(cmd, errors.New("which ALIAS?"))
	}
	environment, err := config.CurrentEnvironment()
	if err != nil {
		return err
	}
	aliases, err := expand(environment, flags, typed)
	if err != nil {
		return err
	}
	var failures []error
	for i, alias := range aliases {
		if i > 0 {
			fmt.Fprintln(cmd.OutOrStdout())
		}
		if len(aliases) > 1 {
			fmt.Fprintf(cmd.OutOrStdout(), "== %s\n", foreign.Line(alias))
		}
		failures = append(failures, do(alias))
	}
	return worst(failures)
}

// worst joins errors so that the highest exit code is that of all, as that of the steps of a check.
func worst(failures []error) error {
	failures = slices.DeleteFunc(failures, func(err error) bool { return err == nil })
	slices.SortStableFunc(failures, func(a, b error) int { return cmp.Compare(exit.Code(b), exit.Code(a)) })
	return errors.Join(failures...)
}

// resolveOne resolves the one alias of a command.
func resolveOne(cmd *cobra.Command, flags *sshFlags, args []string) (*config.Options, error) {
	if len(args) != 1 {
		return nil, exit.UsageError(cmd, errors.New("exactly one ALIAS is needed"))
	}
	environment, err := config.CurrentEnvironment()
	if err != nil {
		return nil, err
	}
	request := flags.request(environment, args[0])
	request.Inspect = true
	return config.Resolve(cmd.Context(), request)
}
