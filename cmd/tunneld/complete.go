package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/complete"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/config"
)

// completionCommand prints the scripts that ask what is to be offered.
func completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the completion script of bash, zsh, fish or powershell",
		Long: `Prints the script that completes aliases, running tunnels, commands, flags, keywords behind -o and their values, and jump
hosts behind -J. It needs no other package:

  source <(tunneld completion bash)                                   in ~/.bashrc
  source <(tunneld completion zsh)                                    in ~/.zshrc
  tunneld completion fish >~/.config/fish/completions/tunneld.fish`,
		ValidArgsFunction: complete.Words(complete.Shells...),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return cmd.Help()
			case len(args) > 1:
				return exit.UsageError(cmd, errors.New("one shell at a time"))
			case !slices.Contains(complete.Shells, args[0]):
				return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("no completion for %q", args[0]), Hint: "there is one for " + strings.Join(complete.Shells, ", ")}
			}
			return complete.Script(cmd.OutOrStdout(), cmd.Root(), args[0])
		},
	}
}

// completeAlias offers the aliases of ssh_config to the shell, for at most so many words; 0: for any number. What stands before
// an @ is kept.
func completeAlias(flags *sshFlags, most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(given) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		aliases := complete.Behind("@", typed, flags.aliases)
		return slices.DeleteFunc(aliases, func(alias string) bool { return slices.Contains(given, alias) }), cobra.ShellCompDirectiveNoFileComp
	}
}

// aliases returns those of ssh_config that begin with typed. One of the files may have some where another cannot be read.
func (f *sshFlags) aliases(typed string) []string {
	environment, err := config.CurrentEnvironment()
	if err != nil {
		return nil
	}
	aliases, _ := f.known(environment)
	return slices.DeleteFunc(aliases, func(alias string) bool { return !strings.HasPrefix(alias, typed) })
}

// jumps returns what -J may be: a list of aliases, each perhaps behind a user's name.
func (f *sshFlags) jumps(typed string) []string { return complete.Behind(",@", typed, f.aliases) }

// complete has the shell offer something for the options of ssh that have an argument. Where nothing is said, it offers files.
func (f *sshFlags) complete(cmd *cobra.Command) {
	noFile := cobra.ShellCompDirectiveNoFileComp
	offers := map[byte]cobra.CompletionFunc{
		'o': func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return complete.Option(typed, f.jumps)
		},
		'J': func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return f.jumps(typed), noFile
		},
		'c': func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return complete.Algorithms("Ciphers", typed), noFile
		},
		'm': func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return complete.Algorithms("MACs", typed), noFile
		},
	}
	for _, letter := range []byte("LRDlpbBP") {
		offers[letter] = cobra.NoFileCompletions
	}
	for letter, offer := range offers {
		offerFor(cmd, "ssh-"+string(rune(letter)), offer)
	}
}

// offerFor has the shell offer arguments of a flag.
func offerFor(cmd *cobra.Command, flag string, offer cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, offer); err != nil {
		cmd.Long += "\n" + err.Error() // there is no such flag: a mistake of ours, which a test finds
	}
}

// offerNothing keeps the shell from offering files where a command takes none.
func offerNothing(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && cmd.Name() != "help" && cmd.Name() != "autossh" {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}
