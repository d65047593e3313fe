package tunnel

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
)

// More than clients can be kept waiting for is refused, and told once in an outage.
func TestRefusalsDuringAnOutageAreToldOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		full bool
		want error
	}{
		{"too many wait", true, errTooManyHeld},
		{"too long", false, errHeldTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			tun := New(&config.Options{Hold: 20 * time.Millisecond}, nil, slog.New(slog.NewTextHandler(&log, nil)))
			if c.full {
				tun.pool.places = newQuota(0)
			}
			for range 3 {
				if _, err := tun.hold(t.Context(), caller{number: tun.pool.arrive()}, new(counter)); !errors.Is(err, c.want) {
					t.Errorf("hold gives %v, want %v", err, c.want)
				}
			}
			if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), c.want.Error()) {
				t.Errorf("log:\n%s", log.String())
			}
		})
	}
}
