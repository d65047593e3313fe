package difference

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tunneld/tunneld/config"
)

func TestBetween(t *testing.T) {
	for name, c := range map[string]struct{ before, after, want string }{
		"nothing":          {"LocalForward 1 a:2", "LocalForward 1 a:2\n#", Nothing},
		"added":            {"LocalForward 1 a:2", "LocalForward 1 a:2\nDynamicForward 1080", "added -D 1080"},
		"removed":          {"LocalForward 1 a:2\nRemoteForward 3 b:4", "LocalForward 1 a:2", "removed -R 3:b:4"},
		"another target":   {"LocalForward 1 a:2", "LocalForward 1 c:2", "-L 1:c:2 (was to a:2)"},
		"another port":     {"LocalForward 1 a:2", "LocalForward 9 a:2", "added -L 9:a:2; removed -L 1:a:2"},
		"the same address": {"LocalForward *:1 a:2", "LocalForward :1 a:2", Nothing},
		"chosen ports":     {"RemoteForward 0 a:1\nRemoteForward 0 a:2", "RemoteForward 0 a:1\nRemoteForward 0 a:3", "added -R 0:a:3; removed -R 0:a:2"},
		"settings":         {"Port 22", "Port 2222\nUser bob\nLogLevel DEBUG", "User bob (was me); Port 2222 (was 22); LogLevel DEBUG (was INFO)"},
		"a command":        {"ProxyCommand nc --password=secret %h", "ProxyCommand nc --password=other %h", "ProxyCommand differs"},
		"of ours":          {"TunneldHold 10s", "TunneldHold 0", "TunneldHold 0s (was 10s)"},
		"without effect":   {"GSSAPITrustDNS yes", "GSSAPITrustDNS no", Nothing},
		"left out":         {"Compression yes\nTunneldDrain 1", "Compression no\nTunneldDrain 2", Nothing},
		"the jump host's":  {"ProxyJump j\nHost j\nPort 1", "ProxyJump j\nHost j\nPort 2", "Port of the jump host j 2 (was 1)"},
		"a jump host":      {"Port 1", "Port 1\nProxyJump j", "ProxyJump j (was unset)"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Between(resolve(t, c.before), resolve(t, c.after), "TunneldDrain"); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func resolve(t *testing.T, lines string) *config.Options {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("Host db\n"+lines+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := config.Resolve(t.Context(), config.Request{Destination: "db", Environment: config.Environment{
		Home: "/home/me", LocalUser: "me", UID: os.Getuid(), UserFile: file,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}
