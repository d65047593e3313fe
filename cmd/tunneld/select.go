package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tunneld/tunneld/cmd/tunneld/background"
	"github.com/tunneld/tunneld/cmd/tunneld/eventlog"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/sshpattern"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// choice is tunnels of one process.
type choice struct {
	instance *instance
	names    []string
}

// selectTunnels finds the running tunnels that are meant by names or patterns; without any, all. The error says what is not to be
// found, with what was meant perhaps; the rest is chosen all the same.
func selectTunnels(ctx context.Context, words []string) ([]choice, error) {
	instances, problems := findInstances(ctx)
	chosen, err := selectAmong(instances, problems, words)
	if len(chosen) > 0 || len(words) == 0 {
		return chosen, err
	}
	others, _ := findOthers(ctx)
	if theirs, _ := selectAmong(others, nil, words); len(theirs) > 0 {
		who := fault.ShellQuote(theirs[0].instance.owner)
		return nil, &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("%s: runs as user %s", strings.Join(theirs[0].names, " "), who),
			Hint: fmt.Sprintf("`sudo -u %s tunneld ...` steers it", who)}
	}
	return nil, err
}

// selectAmong is selectTunnels among what has been found.
func selectAmong(instances []*instance, problems []error, words []string) ([]choice, error) {
	hidden := slices.Contains(problems, errHidden)
	problems = slices.DeleteFunc(problems, func(err error) bool { return err == errHidden })
	var running []string
	ended := make(map[string]eventlog.Ended)
	for _, i := range instances {
		for _, s := range i.report.Tunnels {
			running = append(running, s.Name)
		}
		for _, e := range i.report.Ended {
			if i.owner == "" && e.Time.After(ended[e.Name].Time) { // of another user's, root reads no more than has to be
				ended[e.Name] = e
			}
		}
	}
	meant, missing := match(words, running)
	meant = unique(meant) // two users may have one of a name
	var chosen []choice
	for _, i := range instances {
		names := slices.DeleteFunc(slices.Clone(meant), func(name string) bool { return !i.has(name) })
		if len(names) > 0 {
			chosen = append(chosen, choice{i, names})
		}
	}
	switch {
	case len(chosen) == 0 && len(problems) > 0: // it may be behind one of these
		return nil, errors.Join(problems...)
	case len(running) == 0:
		return nil, nothingRuns(words, hidden)
	}
	var failures []error
	for _, word := range missing {
		failures = append(failures, notRunning(word, running, ended[word], hidden))
	}
	if len(missing) > 0 {
		failures = append(failures, problems...)
	}
	return chosen, errors.Join(failures...)
}

// selectOne finds the one running tunnel that word means.
func selectOne(ctx context.Context, word string) (choice, error) {
	chosen, err := selectTunnels(ctx, []string{word})
	if err != nil {
		return choice{}, err
	}
	var names []string
	for _, c := range chosen {
		names = append(names, c.names...)
	}
	if len(names) != 1 {
		return choice{}, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%s: which one? it matches %s", word, some(names))}
	}
	return chosen[0], nil
}

// match returns the running names that the words mean, in the order in which they run, and the words that mean none.
func match(words, running []string) (meant, missing []string) {
	if len(words) == 0 {
		return running, nil
	}
	for _, word := range words {
		found := false
		for _, name := range running {
			if ok, _ := filepath.Match(word, name); ok || sshpattern.MatchPattern(name, word) { // past a slash (ssh://host) as well
				found = true
				meant = append(meant, name)
			}
		}
		if !found {
			missing = append(missing, word)
		}
	}
	slices.Sort(meant)
	return slices.Compact(meant), missing
}

// errNothingRuns is that there is no tunnel at all.
var errNothingRuns = errors.New("no tunnel is running")

// hiddenHint is for what a user does not find.
const hiddenHint = "a service's tunnels are shown to root: `sudo tunneld status`"

// nothingRuns says that none of these runs, or nothing at all; hidden: as far as we may know.
func nothingRuns(words []string, hidden bool) error {
	e := &exit.Error{Code: exit.GaveUp, Err: errNothingRuns, Hint: "start one: `tunneld up ALIAS`"}
	if len(words) > 0 {
		e.Err = fmt.Errorf("%s: %w", strings.Join(words, " "), errNothingRuns)
		if hidden {
			e.Hint = hiddenHint
		}
	}
	e.Hint = cmp.Or(traceHint(words, time.Time{}), e.Hint)
	return e
}

// notRunning says that there is no such tunnel, and how the last one has ended, if that is known.
func notRunning(word string, running []string, ended eventlog.Ended, hidden bool) error {
	e := &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("%s: no tunnel of that name is running", word), Hint: traceHint([]string{word}, ended.Time)}
	near := config.Nearest(word, running)
	switch {
	case e.Hint != "":
	case !ended.Time.IsZero():
		e.Err = fmt.Errorf("%w: %s", e.Err, ended)
		e.Hint = fmt.Sprintf("`tunneld up %s` starts it", fault.ShellQuote(word))
	case near != "":
		e.Hint = fmt.Sprintf("did you mean %s?", near)
	case hidden:
		e.Hint = hiddenHint
	default:
		e.Hint = "running: " + some(running)
	}
	return e
}

// completeOneRunning is completeRunning for the first word alone.
func completeOneRunning(cmd *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeRunning(cmd, given, typed)
}

// traceHint says where to read why a tunnel in the background has ended that was there after that time; empty: none has.
func traceHint(names []string, after time.Time) string {
	traces := slices.DeleteFunc(rundir.Traces(os.Getenv), func(path string) bool {
		info, err := os.Lstat(path)
		return err != nil || info.ModTime().Before(after)
	})
	for _, name := range names {
		if background.HasEnded(traces, name) {
			return fmt.Sprintf("`tunneld log %s` tells why the last one ended", fault.ShellQuote(name))
		}
	}
	return ""
}

// completeRunning offers the names of running tunnels to the shell.
func completeRunning(cmd *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
	chosen, _ := selectTunnels(cmd.Context(), nil)
	var names []string
	for _, c := range chosen {
		for _, s := range c.instance.report.Tunnels {
			if strings.HasPrefix(s.Name, typed) && !slices.Contains(given, s.Name) {
				names = append(names, s.Name+"\t"+s.Summary())
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
