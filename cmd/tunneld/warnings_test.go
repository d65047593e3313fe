package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config"
)

// What stands in `Host *` is said once, however many tunnels there are.
func TestWarningsAreSummedUp(t *testing.T) {
	everywhere := config.Source{File: "config", Line: 2}
	loss := func(keyword string) config.Warning {
		return config.Warning{Source: everywhere, Keyword: keyword, Text: "is lost", Loss: true}
	}
	var plans []tunnelPlan
	for _, name := range []string{"one", "two", "three"} {
		o := &config.Options{Alias: name, Warnings: []config.Warning{
			loss("SendEnv"), loss("ForwardAgent"), loss("ForwardX11"), loss("AddKeysToAgent"), loss("VisualHostKey"),
			{Source: everywhere, Keyword: "LocalCommand", Text: "the command is not run"},
		}}
		plans = append(plans, tunnelPlan{name: name, options: o})
	}
	plans[2].options.Warnings = append(plans[2].options.Warnings, loss("GSSAPIAuthentication"))
	var text bytes.Buffer
	logWarnings(t.Context(), slog.New(slog.NewTextHandler(&text, nil)), plans)
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `msg="the command is not run" tunnels="one, two, three" option=LocalCommand at=config:2`) ||
		!strings.Contains(lines[1], "tunnels=\"one, two, three\" options=\"SendEnv, VisualHostKey, GSSAPIAuthentication\" hint=\"`tunneld explain one`") {
		t.Errorf("it says\n%s", &text)
	}
	text.Reset()
	logWarnings(t.Context(), slog.New(slog.NewTextHandler(&text, nil)), plans[:1])
	if !strings.Contains(text.String(), " tunnel=one options=") {
		t.Errorf("of one tunnel it says\n%s", &text)
	}
}
