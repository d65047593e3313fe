// Package hook runs the commands that a configuration names for moments in a tunnel's life: TunneldBeforeConnect, TunneldOnUp and
// TunneldOnDown. They see words of the configuration and of tunneld, and none that a server sent.
package hook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strconv"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/config/procgroup"
)

// Limit is how long a command may take.
const Limit = 30 * time.Second

// heirs is how long the end of a command is waited for that has left a child with its standard error.
const heirs = 100 * time.Millisecond

// Command is a command of the configuration.
type Command struct {
	Keyword string       // that names it, for messages
	Text    string       // what the shell reads
	Shell   string       // empty: /bin/sh
	Environ []string     // NAME=value, besides what the process has
	Log     *slog.Logger // gets what it says on standard error
}

// Environ returns what a command may want to know of the tunnel of that name, whose server o leads to, as variables.
func Environ(event, name string, o *config.Options) []string {
	return []string{
		"TUNNELD_EVENT=" + event, "TUNNELD_NAME=" + name, "TUNNELD_ALIAS=" + o.Alias,
		"TUNNELD_HOST=" + o.HostName, "TUNNELD_PORT=" + strconv.Itoa(o.Port), "TUNNELD_USER=" + o.User,
	}
}

// Run runs the command and returns when it has ended; an *Error says that it did not end well. It is killed after Limit, and when
// ctx is done; whatever it has left in its process group is killed in the end.
func (c Command) Run(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	words := &Lines{Log: c.Log, Level: slog.LevelInfo, Name: c.Keyword}
	cmd := procgroup.ByShell(limited, c.Shell, c.Text, false)
	cmd.Env = append(cmd.Environ(), c.Environ...)
	cmd.Stderr, cmd.WaitDelay = words, heirs
	procgroup.Lead(cmd)
	cmd.Cancel = func() error { return procgroup.Kill(cmd) }
	if err := cmd.Start(); err != nil {
		return &Error{Keyword: c.Keyword, How: "cannot be run", Err: err}
	}
	err := cmd.Wait()
	procgroup.Kill(cmd) // what it has left behind, if anything
	said := words.Last()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limited.Err() != nil:
		return &Error{Keyword: c.Keyword, How: fmt.Sprintf("was killed after %v", Limit), Words: said, Err: errKilled}
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	}
	return &Error{Keyword: c.Keyword, How: fmt.Sprintf("ended (%v)", err), Words: said, Err: err}
}

var errKilled = errors.New("killed")

// Error is a command that could not be run, did not end with 0, or took too long.
type Error struct {
	Keyword string
	How     string       // "ended (exit status 1)"
	Words   foreign.Text // the last line of its standard error; may be empty
	Err     error
}

func (e *Error) Error() string {
	text := e.Keyword + " " + e.How
	if words := e.Words.String(); words != "" {
		return text + ": " + words
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }
