package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// ofSessions are options that many set for all hosts and nobody misses in a tunnel, which opens no session.
var ofSessions = map[string]bool{"ForwardAgent": true, "ForwardX11": true, "AddKeysToAgent": true}

// logWarnings says what was read and cannot be honoured: each trouble once, however many tunnels have it from the same line, and
// all options without effect together. For debugging, it says where each value comes from, as `tunneld explain` does.
func logWarnings(ctx context.Context, log *slog.Logger, plans []tunnelPlan) {
	var lost, losers []string
	bad := make(map[config.Warning][]string) // the names of the tunnels that have it
	var order []config.Warning
	for _, p := range plans {
		for _, w := range p.options.Warnings {
			switch {
			case !w.Loss:
				if bad[w] == nil {
					order = append(order, w)
				}
				bad[w] = append(bad[w], p.name)
			case !ofSessions[w.Keyword]:
				lost, losers = append(lost, w.Keyword), append(losers, p.name)
			}
		}
	}
	for _, w := range order {
		key, names := whose(bad[w])
		log.Warn(w.Text, key, names, "option", w.Keyword, "at", w.Source.String())
	}
	if len(lost) > 0 {
		first := plans[slices.IndexFunc(plans, func(p tunnelPlan) bool { return p.name == losers[0] })]
		key, names := whose(unique(losers))
		log.Warn("options without effect here", key, names, "options", strings.Join(unique(lost), ", "),
			"hint", fmt.Sprintf("`tunneld explain %s` says where and why", fault.ShellQuote(first.options.Alias)))
	}
	if log.Enabled(ctx, slog.LevelDebug) {
		for _, p := range plans {
			p.logSources(log)
		}
	}
}

// whose returns names as an attribute of a log line.
func whose(names []string) (key, value string) {
	if len(names) == 1 {
		return "tunnel", names[0]
	}
	return "tunnels", some(names)
}

// logSources logs what `tunneld explain` prints.
func (p tunnelPlan) logSources(log *slog.Logger) {
	var text strings.Builder
	if err := p.options.Explain(&text); err != nil {
		return
	}
	for line := range strings.Lines(text.String()) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			log.Debug("configuration", "tunnel", p.name, "says", line)
		}
	}
}
