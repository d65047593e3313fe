package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	front "github.com/tunneld/tunneld/cmd/tunneld/autossh"
	"github.com/tunneld/tunneld/cmd/tunneld/background"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/loglimit"
	"github.com/tunneld/tunneld/cmd/tunneld/prompt"
	"github.com/tunneld/tunneld/cmd/tunneld/signals"
	"github.com/tunneld/tunneld/config/autossh"
)

// autosshCommand is `tunneld autossh`, for where the program is not called autossh itself.
func autosshCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "autossh [autossh's own arguments]",
		Short: "Take autossh's place: its arguments, environment and rules",
		Long: `Takes autossh 1.4g's command line and environment, and does with them what autossh does with ssh. A program that is
called autossh, by a link of that name to tunneld, does the same. docs/autossh.md lists what differs and why.`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			words := append([]string{autossh.DefaultName}, args...)
			if code := runAutossh(cmd.Context(), words, cmd.OutOrStdout(), cmd.ErrOrStderr()); code != exit.OK {
				return &exit.Error{Code: code}
			}
			return nil
		},
	}
}

// calledAutossh reports whether the program was started by autossh's name.
func calledAutossh(args []string) bool {
	return len(args) > 0 && filepath.Base(args[0]) == autossh.DefaultName
}

// runAutossh is autossh: words are its name and its arguments. It returns autossh's exit code, 0 or 1.
func runAutossh(ctx context.Context, words []string, stdout, stderr io.Writer) int {
	signals.OutliveLogReader()
	c, err := autossh.Parse(words, os.LookupEnv)
	if err != nil {
		return refuseAutossh(stderr, filepath.Base(words[0]), nil, err)
	}
	if c.Version {
		fmt.Fprint(stdout, autossh.VersionLine(c.Name, versionText()))
		return exit.OK
	}
	ready := background.Second()
	if c.Background && ready == nil {
		code, err := background.StartSecond(os.Args, stderr)
		if err != nil && !errors.Is(err, background.ErrStopped) { // autossh's own end with 0, such as that of ssh
			return refuseAutossh(stderr, c.Name, nil, &autossh.Refusal{Text: autossh.DaemonFailed(err).Text})
		}
		return code
	}
	background.Rename(filepath.Base(os.Args[0]))
	outlet := loglimit.NewOutlet(stderr)
	defer outlet.Flush()
	screen := prompt.NewScreen(outlet)
	log, err := front.OpenLog(c, screen)
	if err != nil {
		return refuseAutossh(stderr, c.Name, nil, err)
	}
	defer log.Close()
	defer screen.Flush()
	a := newAutosshRun(c, log, screen, ready)
	for _, warning := range c.Warnings {
		a.announce(warning)
	}
	return a.run(ctx)
}

// refuseAutossh says why there is no start: on standard error, where autossh says nothing for most reasons, and in the log.
// It returns the exit code. log may be nil.
func refuseAutossh(stderr io.Writer, name string, log *front.Log, err error) int {
	var refusal *autossh.Refusal
	if !errors.As(err, &refusal) {
		exit.Print(stderr, err)
		if log != nil && exit.Code(err) != exit.OK {
			log.Record(autossh.Entry{Level: autossh.LevelError, Text: err.Error()})
		}
		return exit.GaveUp
	}
	if refusal.Text != "" {
		fmt.Fprintf(stderr, "%s: %s\n", name, refusal.Text)
		entry := autossh.Entry{Level: autossh.LevelError, Text: refusal.Text}
		if log != nil {
			log.Record(entry)
		} else {
			front.Report(name, entry)
		}
	}
	if refusal.Hint != "" {
		fmt.Fprintf(stderr, "%s: hint: %s\n", name, refusal.Hint)
	}
	if refusal.Usage {
		fmt.Fprint(stderr, autossh.Usage(name))
	}
	return exit.GaveUp
}
