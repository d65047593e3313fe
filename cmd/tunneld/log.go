package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/tunneld/tunneld/cmd/tunneld/systemd"
	"golang.org/x/term"
)

// logFlags are --log-format and --log-level.
type logFlags struct {
	format string // text, json; empty: text, coloured on a terminal
	level  string // error, warn, info, debug; empty: info, or debug with -v
}

// logger returns the process's logger on w.
func (f *logFlags) logger(w io.Writer, verbose int) (*slog.Logger, error) {
	level, err := f.slogLevel(verbose)
	if err != nil {
		return nil, err
	}
	handler := textHandler
	switch f.format {
	case "json":
		handler = jsonHandler
	case "", "text":
	default:
		return nil, &exitError{code: exitUsage, err: fmt.Errorf("--log-format %q: allowed are text and json", f.format)}
	}
	options := slog.HandlerOptions{Level: level}
	if systemd.OnJournal(w, os.Getenv) {
		return slog.New(limitLog(systemd.NewJournalHandler(w, options, handler))), nil
	}
	if file, ok := w.(*os.File); ok && f.format == "" && term.IsTerminal(int(file.Fd())) {
		return slog.New(limitLog(newTerminalHandler(w, level, os.Getenv("NO_COLOR") == ""))), nil
	}
	return slog.New(limitLog(handler(w, &options))), nil
}

func textHandler(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(w, o) }
func jsonHandler(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewJSONHandler(w, o) }

func (f *logFlags) slogLevel(verbose int) (slog.Level, error) {
	switch strings.ToLower(f.level) {
	case "":
		if verbose > 0 {
			return slog.LevelDebug, nil
		}
		return slog.LevelInfo, nil
	case "error":
		return slog.LevelError, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "info":
		return slog.LevelInfo, nil
	case "debug":
		return slog.LevelDebug, nil
	}
	return 0, &exitError{code: exitUsage, err: fmt.Errorf("--log-level %q: allowed are error, warn, info and debug", f.level)}
}
