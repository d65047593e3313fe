package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
)

// listReport is what `list --json` prints.
type listReport struct {
	Version int          `json:"version"` // monitor.ReportVersion
	Tunnels []view.Entry `json:"tunnels"`
}

func listCommand() *cobra.Command {
	var flags sshFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the aliases that have forwards, open or closed",
		Long: `Lists every alias of ssh_config that has forwards, and every running tunnel, to root those of all users, a line each: open
or closed, its state, its forwards. Host lines with wildcards are no aliases.`,
		Args: exit.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			environment, err := config.CurrentEnvironment()
			if err != nil {
				return err
			}
			entries, problems, err := listEntries(cmd.Context(), environment, &flags)
			if err != nil {
				return err
			}
			exit.Print(cmd.ErrOrStderr(), errors.Join(problems...)) // what there is to show is shown all the same
			if asJSON {
				out := json.NewEncoder(cmd.OutOrStdout())
				out.SetIndent("", "  ")
				return out.Encode(listReport{monitor.ReportVersion, entries})
			}
			if len(entries) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "no alias of ssh_config has forwards, and no tunnel is running")
				return nil
			}
			width, color := terminalOf(cmd.OutOrStdout())
			return view.List(view.InLocale(cmd.OutOrStdout(), os.Getenv), entries, time.Now(), width, color)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	flags.register(cmd)
	return cmd
}

// listEntries returns the aliases in the order of the files, each as often as it runs, at least once; then what runs besides.
// What could not be asked is told in problems.
func listEntries(ctx context.Context, environment config.Environment, flags *sshFlags) (entries []view.Entry, problems []error, err error) {
	aliases, err := flags.known(environment)
	if err != nil && len(aliases) == 0 {
		return nil, nil, err
	}
	unread := err // a file of several: what the others name is listed
	instances, problems := findInstances(ctx)
	problems = slices.DeleteFunc(problems, func(err error) bool { return errors.Is(err, errHidden) }) // nobody asked for those of others
	if unread != nil {
		problems = append(problems, unread)
	}
	var running []monitor.Status
	for _, d := range instances {
		running = append(running, d.report.Tunnels...)
	}
	runs := func(alias string) []monitor.Status {
		return slices.DeleteFunc(slices.Clone(running), func(s monitor.Status) bool { return s.Alias != alias })
	}
	closed := closedEntries(aliases, func(alias string) (view.Entry, bool) {
		if len(runs(alias)) > 0 {
			return view.Entry{}, false
		}
		return closedEntry(ctx, environment, flags, alias)
	})
	entries = []view.Entry{}
	for i, alias := range aliases {
		for _, s := range runs(alias) {
			entries = append(entries, openEntry(s))
		}
		if closed[i] != nil {
			entries = append(entries, *closed[i])
		}
	}
	theirs, lacks := findOthers(ctx)
	if lacks != nil {
		problems = append(problems, lacks)
	}
	others, _ := selectAmong(theirs, nil, nil)
	isAlias := func(s monitor.Status) bool { return slices.Contains(aliases, s.Alias) }
	for _, s := range append(slices.DeleteFunc(running, isAlias), reportOf(others).Tunnels...) {
		entries = append(entries, openEntry(s))
	}
	return entries, problems, nil
}

// mostResolved is how many aliases are resolved at once: each runs the commands of Match exec, and looks names up.
const mostResolved = 8

// closedEntries resolves aliases side by side. The entry is nil where resolve tells of none.
func closedEntries(aliases []string, resolve func(alias string) (view.Entry, bool)) []*view.Entry {
	entries := make([]*view.Entry, len(aliases))
	places := make(chan struct{}, mostResolved)
	var all sync.WaitGroup
	for i, alias := range aliases {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			if e, ok := resolve(alias); ok {
				entries[i] = &e
			}
		})
	}
	all.Wait()
	return entries
}

func openEntry(s monitor.Status) view.Entry {
	e := view.Entry{Name: s.Name, Owner: s.Owner, Alias: s.Alias, Open: true, State: s.State, Since: s.Since, Down: s.DownSince, Forwards: []string{}}
	for _, f := range s.Forwards {
		e.Forwards = append(e.Forwards, f.Spec)
	}
	return e
}

// closedEntry is false for an alias without forwards.
func closedEntry(ctx context.Context, environment config.Environment, flags *sshFlags, alias string) (view.Entry, bool) {
	name := foreign.Line(alias).String()
	e := view.Entry{Name: name, Alias: name, Forwards: []string{}}
	o, err := config.Resolve(ctx, flags.request(environment, alias))
	if err != nil {
		e.Error = foreign.Line(err.Error()).String()
		return e, true
	}
	for _, f := range o.Forwards {
		e.Forwards = append(e.Forwards, foreign.Own(tunnel.Spec(f)).String())
	}
	return e, len(e.Forwards) > 0
}
