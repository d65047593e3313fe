package autossh

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config"
	spec "github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/tunnel/interactive"
)

// opener is a connection through which everything can be opened, and nothing comes.
type opener struct{ Connection }

type silentChannel struct{ interactive.Channel }

func (silentChannel) Close() error { return nil }

func (opener) OpenSession(context.Context) (interactive.Channel, error) { return silentChannel{}, nil }

func (opener) OpenStdio(context.Context, config.Endpoint) (interactive.Channel, error) {
	return silentChannel{}, nil
}

// Files of our own that cannot be used, for want of descriptors for one, left -W without a word, on a connection that nothing went
// through any more.
func TestFilesThatCannotBeUsedEndTheWork(t *testing.T) {
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, w := range map[string]*Work{
		"-W":      {stdio: config.Endpoint{Host: "host", Port: 1}},
		"session": {request: interactive.Request{Command: "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr strings.Builder
			if w.log, err = OpenLog(&spec.Command{Name: "autossh", Settings: spec.Settings{LogLevel: spec.LevelError}}, &stderr); err != nil {
				t.Fatal(err)
			}
			defer w.log.Close()
			w.files = interactive.Files{In: closed}
			status, ended := w.Do(t.Context(), opener{})
			if status != interactive.StatusNone || !ended {
				t.Errorf("status %d, ended %v", status, ended)
			}
			if !strings.HasPrefix(stderr.String(), "tunneld: standard input cannot be used: ") || strings.Contains(stderr.String(), "forwarding failed") != (name == "-W") {
				t.Errorf("it says %q", stderr.String())
			}
		})
	}
}
