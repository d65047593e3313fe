package follow

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/quiet"
)

// BenchmarkNetworkChange is what a laptop pays when the network changes: every one of its tunnels, all in one file, asks where its way
// leads, at the same moment. "files" rests on files alone, which have not changed; "live" has a Match whose answer may have.
func BenchmarkNetworkChange(b *testing.B) {
	const tunnels = 500
	for name, rule := range map[string]string{"files": "Host *", "live": "Match localnetwork 192.0.2.0/24"} {
		b.Run(fmt.Sprintf("%s-%d", name, tunnels), func(b *testing.B) {
			var text strings.Builder
			for n := range tunnels {
				fmt.Fprintf(&text, "Host tunnel%d\n  HostName 127.0.0.1\n  Port %d\n  LocalForward %d db:5432\n", n, 2000+n, 10000+n)
			}
			fmt.Fprintf(&text, "%s\n  User bob\n", rule)
			file := filepath.Join(b.TempDir(), "config")
			if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
				b.Fatal(err)
			}
			long := time.Now().Add(-time.Hour)
			if err := os.Chtimes(file, long, long); err != nil {
				b.Fatal(err)
			}
			environment := config.Environment{Home: filepath.Dir(file), LocalUser: "me", UID: os.Getuid(), HostName: "laptop", Getenv: os.LookupEnv, UserFile: file}
			source := NewSource(func() (config.Environment, error) { return environment, nil })
			var lines quiet.Lines
			var ways []*Way
			for n := range tunnels {
				resolve := func(ctx context.Context, environment config.Environment) (*config.Options, error) {
					return config.Resolve(ctx, config.Request{Destination: fmt.Sprint("tunnel", n), Environment: environment, Quiet: &lines})
				}
				o, err := resolve(b.Context(), environment)
				if err != nil {
					b.Fatal(err)
				}
				ways = append(ways, source.New(resolve, o, slog.New(slog.DiscardHandler), func(*config.Options) {}))
			}
			b.ReportAllocs()
			for b.Loop() {
				source.Changed()
				var all sync.WaitGroup
				for _, w := range ways {
					all.Go(func() { w.Look(b.Context()) })
				}
				all.Wait()
			}
		})
	}
}
