package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/order"
	"github.com/tunneld/tunneld/config"
)

// changing is a command that changes the forwards of a running tunnel.
type changing struct {
	verb, short, long string
	specs             cobra.CompletionFunc // of a forward; nil: none are known
}

func forwardCommands() []*cobra.Command {
	return []*cobra.Command{
		changing{
			verb: "forward", short: "Add forwards to a running tunnel",
			long: `Adds forwards to a running tunnel, as ssh -O forward does. They stay through reconnects and reloads until cancel or the
end of the tunnel, and status shows them as added. One that is there already is no error.

It returns when they listen. Of -R 0:HOST:PORT it prints the port that the server chose, and nothing else. In an outage -L and
-D listen at once; -R waits up to TunneldHold for the server, and is forgotten where that has not answered. What the server
refuses is not asked for again; what stands in the configuration is. Paths of sockets on this machine may be relative.

Exit code 0 when all of them listen, 2 for a local port that cannot be had, else 1.`,
		}.command(),
		changing{
			verb: "cancel", short: "Take added forwards away again", specs: completeAdded,
			long: `Takes away what forward or ssh -O forward has added; open connections go on. The forward has to be typed as it was
then, -R 0:HOST:PORT with its 0. What stands in the configuration is left alone.`,
		}.command(),
	}
}

func (c changing) command() *cobra.Command {
	var flags sshFlags
	cmd := &cobra.Command{
		Use:   c.verb + " NAME -L|-R|-D SPEC...",
		Short: c.short,
		Long:  c.long + "\n\n-L, -R and -D are those of ssh(1), and may be given several times. NAME is as `tunneld status` shows it.",
		RunE: func(cmd *cobra.Command, names []string) error {
			switch {
			case len(names) != 1:
				return exit.UsageError(cmd, fmt.Errorf("which tunnel? `tunneld %s NAME -L 8080:localhost:80`", c.verb))
			case len(flags.given) == 0:
				return exit.UsageError(cmd, fmt.Errorf("which forward? `tunneld %s %s -L 8080:localhost:80`", c.verb, names[0]))
			}
			return c.do(cmd, &flags, names[0])
		},
		ValidArgsFunction: completeOneRunning,
	}
	for _, letter := range []byte("LRD") {
		flags.flag(cmd.Flags(), letter, "")
		if c.specs != nil {
			cmd.RegisterFlagCompletionFunc("ssh-"+string(rune(letter)), c.specs)
		}
	}
	return cmd
}

// do has the tunnel's process change the forwards, and says what became of each.
func (c changing) do(cmd *cobra.Command, flags *sshFlags, name string) error {
	chosen, err := selectOne(cmd.Context(), name)
	if err != nil {
		return err
	}
	environment, err := config.CurrentEnvironment()
	if err != nil {
		return err
	}
	name = chosen.names[0]
	orders, err := order.Typed(cmd.Context(), environment, chosen.instance.aliasOf(name), flags.given)
	if err != nil {
		return err
	}
	results, err := chosen.instance.order(cmd.Context(), c.verb, name, orders)
	if err != nil {
		return &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("%s: %w", name, err)}
	}
	var failures []error
	for _, r := range results {
		switch {
		case r.Error != "":
			failures = append(failures, &exit.Error{Code: cmp.Or(r.Code, exit.GaveUp), Err: fmt.Errorf("%s: %s", name, r.Error), Hint: r.Hint})
		case r.Port != 0:
			fmt.Fprintln(cmd.OutOrStdout(), r.Port)
		default:
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s %s\n", name, r.Forward, r.Did)
		}
	}
	return errors.Join(failures...)
}

// order sends forwards to the process.
func (d *instance) order(ctx context.Context, verb, name string, orders []order.Forward) ([]controlResult, error) {
	var answer controlAnswer
	err := d.exchange(ctx, http.MethodPost, "/"+verb, url.Values{"tunnel": {name}}, orders, &answer)
	if err == nil && len(answer.Results) == 0 {
		err = errors.New("the process does not know this command: it is an older tunneld")
	}
	return answer.Results, err
}

// aliasOf returns the host as typed of a running tunnel.
func (d *instance) aliasOf(name string) string {
	for _, s := range d.report.Tunnels {
		if s.Name == name {
			return s.Alias
		}
	}
	return name
}

// completeAdded offers the forwards that were added to the tunnel whose name stands before.
func completeAdded(cmd *cobra.Command, names []string, typed string) ([]string, cobra.ShellCompDirective) {
	chosen, _ := selectTunnels(cmd.Context(), names)
	var specs []string
	for _, c := range chosen {
		for _, s := range c.instance.report.Tunnels {
			for _, f := range s.Forwards {
				_, spec, _ := strings.Cut(f.Spec, " ")
				if f.Added && slices.Contains(c.names, s.Name) && strings.HasPrefix(spec, typed) {
					specs = append(specs, spec+"\t-"+f.Kind)
				}
			}
		}
	}
	return specs, cobra.ShellCompDirectiveNoFileComp
}
