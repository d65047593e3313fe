// Package output is where `tunneld up` writes what it does, and in the end why it ends: standard error, the file of -E or, with -y,
// syslog; as text or as JSON.
package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/term"

	front "github.com/tunneld/tunneld/cmd/tunneld/autossh"
	"github.com/tunneld/tunneld/cmd/tunneld/background"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/loglimit"
	"github.com/tunneld/tunneld/cmd/tunneld/prompt"
	"github.com/tunneld/tunneld/cmd/tunneld/systemd"
	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/config"
)

// Flags are --log-format and --log-level.
type Flags struct {
	Format string // text, json; empty: text, coloured on a terminal
	Level  string // error, warn, info, debug; empty: as -q, -v and LogLevel say
}

// Options are what the command line says of the log.
type Options struct {
	Flags
	Verbose, Quiet bool    // -v, -q
	File           *string // of -E; nil: none was named
	Syslog         bool    // -y
}

// Log is the log of a process.
type Log struct {
	*slog.Logger
	Screen *prompt.Screen                   // standard error
	File   *os.File                         // of -E; nil: none
	JSON   bool                             // every line is
	Fixed  bool                             // by --log-level: Adopt changes nothing
	Trace  atomic.Pointer[background.Trace] // of a process in the background; nil: none

	level  *slog.LevelVar
	w      io.Writer        // the place itself
	outlet *loglimit.Outlet // before it: nobody may read there
	closer io.Closer        // nil: there is nothing to close
}

// silence is above every level.
const silence = slog.LevelError + 1000

// Open returns the log. Until the configuration has been read, -v and -q alone say how much it shows; then Adopt does. End closes it.
func Open(stderr io.Writer, o Options) (*Log, error) {
	outlet := loglimit.NewOutlet(stderr)
	screen := prompt.NewScreen(outlet)
	l := &Log{level: new(slog.LevelVar), Fixed: o.Level != "", w: screen, outlet: outlet, Screen: screen}
	level, err := o.slogLevel()
	if err != nil {
		return nil, err
	}
	l.level.Set(level)
	handler := newText
	switch o.Format {
	case "json":
		handler, l.JSON = newJSON, true
		screen.Frame(jsonLine)
	case "", "text":
	default:
		return nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("--log-format %q: allowed are text and json", o.Format)}
	}
	options := slog.HandlerOptions{Level: l.level}
	if o.File != nil {
		file, err := os.OpenFile(*o.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("-E: %w", err), Hint: "name a file in a directory that you may write to"}
		}
		l.outlet = loglimit.NewOutlet(file)
		l.w, l.closer, l.File, stderr = l.outlet, file, file, file
	} else if o.Syslog {
		system := front.NewSyslogWriter("tunneld", screen)
		l.w, l.closer = systemd.PriorityWriter{W: system, Priority: systemd.PriorityError}, system
		l.Logger = slog.New(loglimit.New(systemd.NewJournalHandler(system, options, handler)))
		return l, nil
	}
	file, isFile := stderr.(*os.File)
	switch {
	case systemd.OnJournal(stderr, os.Getenv):
		l.begin(func(w io.Writer) slog.Handler { return systemd.NewJournalHandler(w, options, handler) })
		l.w = systemd.PriorityWriter{W: l.w, Priority: systemd.PriorityError}
	case isFile && o.Format == "" && term.IsTerminal(int(file.Fd())):
		color := os.Getenv("NO_COLOR") == ""
		l.begin(func(w io.Writer) slog.Handler { return view.NewTerminalHandler(w, l.level, color) })
	default:
		l.begin(func(w io.Writer) slog.Handler { return handler(w, &options) })
	}
	return l, nil
}

// begin logs through what handler makes, and so it is said how many lines were left out because nobody took them.
func (l *Log) begin(handler func(io.Writer) slog.Handler) {
	l.Logger = slog.New(loglimit.New(handler(l.w)))
	l.outlet.Note(func(lines int) []byte {
		var note bytes.Buffer
		slog.New(handler(&note)).Log(context.Background(), max(slog.LevelWarn, l.level.Level()), "log lines left out: nobody took them", "lines", lines)
		return note.Bytes()
	})
}

// Adopt shows as much as these values of LogLevel say, -q and -v among them, unless --log-level was given. Of several tunnels the one
// that says most counts.
func (l *Log) Adopt(levels []string) {
	if l.Fixed || len(levels) == 0 {
		return
	}
	level := silence
	for _, name := range levels {
		level = min(level, levelOf(name))
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

// End writes why the process ends to where everything else was written, and returns an error that has its exit code alone.
// With -q nothing is said but what is wrong in the command line, as in ssh.
func (l *Log) End(err error) error {
	l.Screen.Flush()
	trace := l.Trace.Load()
	defer trace.Close()
	if l.closer != nil {
		defer l.closer.Close()
	}
	defer l.outlet.Flush()
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
		case l.JSON:
			l.Log(context.Background(), max(slog.LevelError, l.level.Level()), "ended", append(exit.Complaint(one), "exit_code", code)...)
		default:
			exit.Print(l.w, one)
		}
	}
	return &exit.Error{Code: code}
}

// Levels are what --log-level takes.
func Levels() []string { return []string{"error", "warn", "info", "debug"} }

func (o *Options) slogLevel() (slog.Level, error) {
	switch name := strings.ToLower(o.Level); {
	case name == "" && o.Verbose:
		return slog.LevelDebug, nil
	case name == "" && o.Quiet:
		return silence, nil
	case name == "":
		return slog.LevelInfo, nil
	case name == "warning":
		return slog.LevelWarn, nil
	case slices.Contains(Levels(), name):
		var level slog.Level
		return level, level.UnmarshalText([]byte(name))
	}
	return 0, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("--log-level %q: allowed are %s", o.Level, strings.Join(Levels(), ", "))}
}
