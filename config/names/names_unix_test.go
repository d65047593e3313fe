//go:build unix

package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// machine puts a getent of its own before all others, and returns a nsswitch.conf.
func machine(t *testing.T, sources, getent string) string {
	t.Helper()
	directory := t.TempDir()
	for name, text := range map[string]string{"getent": "#!/bin/sh\n" + getent + "\n", "nsswitch.conf": "passwd: files\n # hosts: mdns\nhosts: " + sources + "\n"} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", directory+":"+os.Getenv("PATH"))
	return filepath.Join(directory, "nsswitch.conf")
}

// What nss-mdns and its kin know is found, as by ssh: the resolver of a static program has never heard of them.
func TestOthers(t *testing.T) {
	const says = `case "$1 $2" in
"ahosts pi.local") printf '192.0.2.7       STREAM pi.local\n192.0.2.7       DGRAM  \n2001:db8::7     STREAM \nfe80::1%%lo STREAM\n' ;;
"ahostsv4 pi.local") echo '192.0.2.7 STREAM pi.local' ;;
"ahostsv6 pi.local") echo '2001:db8::7 STREAM pi.local' ;;
*) exit 2 ;;
esac`
	for _, c := range []struct{ sources, network, host, want string }{
		{"files mdns4_minimal [NOTFOUND=return] dns", "ip", "pi.local", "[192.0.2.7 2001:db8::7 fe80::1%lo]"},
		{"files mdns4_minimal [NOTFOUND=return] dns", "ip4", "pi.local", "[192.0.2.7]"},
		{"mymachines resolve [!UNAVAIL=return] files # dns", "ip6", "pi.local", "[2001:db8::7]"},
		{"files mdns dns", "ip", "other.local", "[]"},
		{"files mdns dns", "ip", "-pi.local", "[]"},
		{"files dns", "ip", "pi.local", "[]"},
		{"files [ !UNAVAIL=return ] dns", "ip", "pi.local", "[]"},
	} {
		if got := fmt.Sprint(others(t.Context(), machine(t, c.sources, says), c.network, c.host)); got != c.want {
			t.Errorf("%s: %s of %s is %s, want %s", c.sources, c.network, c.host, got, c.want)
		}
	}
	if got := others(t.Context(), filepath.Join(t.TempDir(), "none"), "ip", "pi.local"); got != nil {
		t.Errorf("without nsswitch.conf: %v", got)
	}
}

// Nobody waits for one that hangs any longer than for the attempt.
func TestOthersEndWithTheContext(t *testing.T) {
	file := machine(t, "mdns", "sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if got := others(ctx, file, "ip", "pi.local"); got != nil || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %v", got, time.Since(began))
	}
}

func TestIsUnknown(t *testing.T) {
	for err, want := range map[error]bool{
		&net.DNSError{IsNotFound: true}:                    true,
		&net.OpError{Err: &net.DNSError{IsNotFound: true}}: true,
		&net.DNSError{IsTimeout: true}:                     false,
		errors.New("x"):                                    false,
	} {
		if IsUnknown(err) != want {
			t.Errorf("%#v: %v", err, !want)
		}
	}
	if IsUnknown(nil) {
		t.Error("no error")
	}
}
