package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/cmd/tunneld/watch"
	"github.com/tunneld/tunneld/monitor"
)

// watchEvery is how often --watch looks.
const watchEvery = time.Second

func statusCommand() *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "status [NAME...]",
		Short: "Show running tunnels",
		Long: `Shows the tunnels that run under this user; to root those of services and of all users: state and since when, server,
round trip, reconnects, the last error, and each forward with its bound address, connections and bytes. NAME may be a quoted
pattern. Five tunnels and more get a line each, those in trouble first, unless they are named. In a locale without UTF-8
(LC_ALL, LC_CTYPE, LANG) it is drawn in ASCII.

Exit code 0, also where nothing runs; 1 where a NAME does not run.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if watch {
				return watchStatus(cmd, names, asJSON)
			}
			report, lacks, err := gatherAll(cmd.Context(), names)
			exit.Print(cmd.ErrOrStderr(), lacks)
			nothing := len(names) == 0 && errors.Is(err, errNothingRuns) // which is no failure
			if asJSON && nothing {
				err = nil
			}
			if asJSON {
				return errors.Join(printJSON(cmd.OutOrStdout(), report), err)
			}
			if nothing {
				exit.Print(cmd.ErrOrStderr(), err)
				return nil
			}
			if err != nil {
				return err
			}
			return printTable(cmd.OutOrStdout(), report, len(names) > 0)
		},
		ValidArgsFunction: completeRunning,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON; its \"version\" says when a field changes its meaning")
	cmd.Flags().BoolVar(&watch, "watch", false, "show it anew each second, until q or Ctrl-C; on a terminal keys choose, sort and open details")
	return cmd
}

// gather puts together what the processes say about the tunnels of these names; without names, about all. The error says
// what is missing: there may be a report as well.
func gather(ctx context.Context, names []string) (monitor.Report, error) {
	chosen, err := selectTunnels(ctx, names)
	return reportOf(chosen), err
}

// gatherAll is gather; for root with what the processes of other users say. lacks is what there is beyond that.
func gatherAll(ctx context.Context, names []string) (report monitor.Report, lacks, err error) {
	instances, problems := findInstances(ctx)
	others, lacks := findOthers(ctx)
	chosen, err := selectAmong(append(instances, others...), problems, names)
	return reportOf(chosen), lacks, err
}

func reportOf(chosen []choice) monitor.Report {
	report := monitor.NewReport("", nil)
	for _, c := range chosen {
		for _, s := range c.instance.report.Tunnels {
			for _, name := range c.names {
				if s.Name == name {
					s.Owner = c.instance.owner
					report.Tunnels = append(report.Tunnels, s)
				}
			}
		}
	}
	return report
}

func printJSON(w io.Writer, report monitor.Report) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(report)
}

// manyTunnels is how many tunnels are shown a line each, where nobody has asked for them by name.
const manyTunnels = 5

func printTable(w io.Writer, report monitor.Report, named bool) error {
	width, color := terminalOf(w)
	return drawTable(w, report, named, width, color)
}

func drawTable(w io.Writer, report monitor.Report, named bool, width int, color bool) error {
	w = view.InLocale(w, os.Getenv)
	if !named && len(report.Tunnels) >= manyTunnels {
		return view.Summary(w, report, width, color)
	}
	return view.Table(w, report, width, color)
}

// terminalOf returns the width of the terminal behind w, and whether it is one that shows colors; 0 and false: it is none.
func terminalOf(w io.Writer) (width int, color bool) {
	file, ok := w.(*os.File)
	if !ok || file == nil || !term.IsTerminal(int(file.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 { // a serial line may not know
		width = 80
	}
	return width, os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// watchStatus shows the status again and again: in place on a terminal, one below the other elsewhere.
func watchStatus(cmd *cobra.Command, names []string, asJSON bool) error {
	in, _ := cmd.InOrStdin().(*os.File)
	out, _ := cmd.OutOrStdout().(*os.File)
	if width, color := terminalOf(out); width > 0 && in != nil && !asJSON && os.Getenv("TERM") != "dumb" {
		return watch.Run(cmd.Context(), in, out, color, func(ctx context.Context) (monitor.Report, string) {
			report, lacks, err := gatherAll(ctx, names)
			return report, problemText(errors.Join(lacks, err))
		})
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if err := showOnce(ctx, cmd.OutOrStdout(), names, asJSON); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// showOnce shows the status of now. That nothing runs is part of it: it may run again the next second.
func showOnce(ctx context.Context, out io.Writer, names []string, asJSON bool) error {
	report, lacks, err := gatherAll(ctx, names)
	if asJSON {
		return json.NewEncoder(out).Encode(report) // a line each
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n\n", report.Time.Format(time.TimeOnly))
	if err = errors.Join(lacks, err); err != nil {
		fmt.Fprintln(&text, problemText(err))
	}
	width, color := terminalOf(out)
	if err := drawTable(&text, report, len(names) > 0, width, color); err != nil {
		return err
	}
	_, err = io.WriteString(out, text.String())
	return err
}

// problemText returns what a command would say at its end; empty for nil.
func problemText(err error) string {
	var text strings.Builder
	if err != nil {
		exit.Print(&text, err)
	}
	return text.String()
}
