package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	front "github.com/tunneld/tunneld/cmd/tunneld/autossh"
	"github.com/tunneld/tunneld/cmd/tunneld/background"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/loglimit"
	"github.com/tunneld/tunneld/cmd/tunneld/prompt"
	"github.com/tunneld/tunneld/cmd/tunneld/systemd"
	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/config"
	"golang.org/x/term"
)

// logFlags are --log-format and --log-level.
type logFlags struct {
	format string // text, json; empty: text, coloured on a terminal
	level  string // error, warn, info, debug; empty: as -q, -v and LogLevel say
}

// processLog is where a process writes what it does, and in the end why it ends: standard error, the file of -E or, with -y, syslog.
type processLog struct {
	*slog.Logger
	level  *slog.LevelVar
	fixed  bool      // by --log-level
	json   bool      // every line is
	w      io.Writer // the place itself
	closer io.Closer // nil: there is nothing to close
	file   *os.File  // of -E; nil: none
	screen *prompt.Screen
	trace  atomic.Pointer[background.Trace] // of a process in the background; nil: none
}

// silence is above every level.
const silence = slog.LevelError + 1000

// open returns the log of a process that was started with these options of ssh. Until the configuration has been read, -v and -q
// alone say how much it shows; then adopt does.
func (f *logFlags) open(stderr io.Writer, ssh *sshFlags) (*processLog, error) {
	screen := prompt.NewScreen(stderr)
	l := &processLog{level: new(slog.LevelVar), fixed: f.level != "", w: screen, screen: screen}
	level, err := f.slogLevel(ssh)
	if err != nil {
		return nil, err
	}
	l.level.Set(level)
	handler := textHandler
	switch f.format {
	case "json":
		handler, l.json = jsonHandler, true
	case "", "text":
	default:
		return nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("--log-format %q: allowed are text and json", f.format)}
	}
	options := slog.HandlerOptions{Level: l.level}
	if path, ok := ssh.last('E'); ok {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("-E: %w", err), Hint: "name a file in a directory that you may write to"}
		}
		l.w, l.closer, l.file, stderr = file, file, file, file
	} else if _, ok := ssh.last('y'); ok {
		system := front.NewSyslogWriter("tunneld", screen)
		l.w, l.closer = systemd.PriorityWriter{W: system, Priority: systemd.PriorityError}, system
		l.Logger = slog.New(loglimit.New(systemd.NewJournalHandler(system, options, handler)))
		return l, nil
	}
	file, isFile := stderr.(*os.File)
	switch {
	case systemd.OnJournal(stderr, os.Getenv):
		l.Logger = slog.New(loglimit.New(systemd.NewJournalHandler(l.w, options, handler)))
		l.w = systemd.PriorityWriter{W: l.w, Priority: systemd.PriorityError}
	case isFile && f.format == "" && term.IsTerminal(int(file.Fd())):
		l.Logger = slog.New(loglimit.New(view.NewTerminalHandler(l.w, l.level, os.Getenv("NO_COLOR") == "")))
	default:
		l.Logger = slog.New(loglimit.New(handler(l.w, &options)))
	}
	return l, nil
}

// adopt shows as much as LogLevel of the tunnels says, -q and -v among it, unless --log-level was given. Of several tunnels the one
// that says most counts.
func (l *processLog) adopt(plans []tunnelPlan) {
	if l.fixed || len(plans) == 0 {
		return
	}
	level := silence
	for _, plan := range plans {
		level = min(level, levelOf(plan.options.Session.LogLevel))
	}
	l.level.Set(level)
}

// levelOf returns what ssh's LogLevel lets through of our log.
func levelOf(name string) slog.Level {
	switch name {
	case "QUIET":
		return silence
	case "FATAL", "ERROR":
		return slog.LevelError
	case "", "INFO", "VERBOSE":
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// end writes why the process ends to where everything else was written, and returns an error that has its exit code alone.
// With -q nothing is said but what is wrong in the command line, as in ssh.
func (l *processLog) end(err error) error {
	l.screen.Flush()
	trace := l.trace.Load()
	defer trace.Close()
	if l.closer != nil {
		defer l.closer.Close()
	}
	if err == nil {
		return nil
	}
	if trace != nil && exit.Code(err) != exit.OK {
		exit.Print(trace, err)
	}
	code := exit.Code(err)
	for _, one := range exit.Flatten(err) {
		var said *exit.Error
		if errors.As(one, &said) && said.Err == nil {
			continue
		}
		var bad *config.Error
		typed := errors.As(one, &bad) && bad.Source.IsCommandLine()
		switch {
		case !l.Enabled(context.Background(), slog.LevelError) && !typed:
		case l.json:
			l.Log(context.Background(), max(slog.LevelError, l.level.Level()), "ended", append(exit.Complaint(one), "exit_code", code)...)
		default:
			exit.Print(l.w, one)
		}
	}
	return &exit.Error{Code: code}
}

func textHandler(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(w, o) }

// jsonHandler writes durations as seconds, with the unit in the key.
func jsonHandler(w io.Writer, o *slog.HandlerOptions) slog.Handler {
	options, before := *o, o.ReplaceAttr
	options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if before != nil {
			a = before(groups, a)
		}
		if a.Value.Kind() == slog.KindDuration {
			return slog.Float64(a.Key+"_seconds", a.Value.Duration().Round(time.Microsecond).Seconds())
		}
		return a
	}
	return slog.NewJSONHandler(w, &options)
}

// logLevels are what --log-level takes.
var logLevels = []string{"error", "warn", "info", "debug"}

func (f *logFlags) slogLevel(ssh *sshFlags) (slog.Level, error) {
	switch name := strings.ToLower(f.level); {
	case name == "" && ssh.verbose() > 0:
		return slog.LevelDebug, nil
	case name == "" && slices.ContainsFunc(ssh.given, func(f config.Flag) bool { return f.Letter == 'q' }):
		return silence, nil
	case name == "", name == "info":
		return slog.LevelInfo, nil
	case name == "error":
		return slog.LevelError, nil
	case name == "warn", name == "warning":
		return slog.LevelWarn, nil
	case name == "debug":
		return slog.LevelDebug, nil
	}
	return 0, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("--log-level %q: allowed are %s", f.level, strings.Join(logLevels, ", "))}
}
