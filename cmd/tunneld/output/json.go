package output

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/config/foreign"
)

// NewJSON returns a log of which each line is JSON.
func NewJSON(w io.Writer) *slog.Logger { return slog.New(newJSON(w, &slog.HandlerOptions{})) }

// WantsJSON reports whether a command line asks for JSON (up --log-format json), whatever else is wrong in it. words begin with the
// command.
func WantsJSON(words []string) bool {
	i := slices.Index(words, "--log-format")
	return len(words) > 0 && words[0] == "up" &&
		(slices.Contains(words, "--log-format=json") || i >= 0 && i+1 < len(words) && words[i+1] == "json")
}

// PrintJSON is exit.Print for those who want JSON.
func PrintJSON(w io.Writer, err error) int {
	code := exit.Code(err)
	if err == nil {
		return exit.OK
	}
	var said *exit.Error
	if errors.As(err, &said) && said.Err == nil {
		return code
	}
	for _, one := range exit.Flatten(err) {
		NewJSON(w).Error("ended", append(exit.Complaint(one), "exit_code", code)...)
	}
	return code
}

// jsonLine makes a record of a line that another program has written, or nobody in particular.
func jsonLine(text string) []byte {
	var line bytes.Buffer
	NewJSON(&line).Warn(foreign.Line(text).String())
	return line.Bytes()
}

func newText(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(w, o) }

// newJSON writes durations as seconds, with the unit in the key.
func newJSON(w io.Writer, o *slog.HandlerOptions) slog.Handler {
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
