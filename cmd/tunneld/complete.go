package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
)

// completeAlias offers the aliases of ssh_config to the shell, for at most so many words; 0: for any number.
func completeAlias(flags *sshFlags, most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(given) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		environment, err := config.CurrentEnvironment()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		aliases, err := config.Aliases(environment, flags.file())
		if err != nil && len(aliases) == 0 { // one of the files may still have some
			return nil, cobra.ShellCompDirectiveError
		}
		return slices.DeleteFunc(aliases, func(alias string) bool {
			return !strings.HasPrefix(alias, typed) || slices.Contains(given, alias) || foreign.Own(alias).String() != alias
		}), cobra.ShellCompDirectiveNoFileComp
	}
}
