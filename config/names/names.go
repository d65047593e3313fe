// Package names looks host names up as ssh and the other programs of this machine do. A static program has Go's own resolver, which
// knows /etc/hosts and the DNS; the C library's knows whatever nsswitch.conf(5) says as well: mDNS (raspberrypi.local), this machine's
// containers, a directory. Where Go's finds nothing, that one is asked by way of getent(1).
package names

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/tunneld/tunneld/config/procgroup"
)

// Lookup returns the addresses of a host as net.Resolver.LookupNetIP does. network is "ip", "ip4" or "ip6".
func Lookup(ctx context.Context, network, host string) ([]netip.Addr, error) {
	found, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
	if IsUnknown(err) {
		if others := Others(ctx, network, host); len(others) > 0 {
			return others, nil
		}
	}
	return found, err
}

// IsUnknown reports whether Go's resolver has found no such name.
func IsUnknown(err error) bool {
	var unknown *net.DNSError
	return errors.As(err, &unknown) && unknown.IsNotFound
}

// Others returns the addresses of a host that Go's resolver does not know; none where nobody knows them.
func Others(ctx context.Context, network, host string) []netip.Addr {
	return others(ctx, "/etc/nsswitch.conf", network, host)
}

// limit is how long getent may take: an answer by mDNS comes within a second or two, or not at all.
const limit = 5 * time.Second

func others(ctx context.Context, file, network, host string) []netip.Addr {
	if strings.HasPrefix(host, "-") || !knowsMore(file) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	database := "ahosts" + strings.Replace(strings.TrimPrefix(network, "ip"), "4", "v4", 1)
	command := exec.CommandContext(ctx, "getent", strings.Replace(database, "6", "v6", 1), host)
	procgroup.Lead(command)
	command.Cancel = func() error { return procgroup.Kill(command) }
	command.WaitDelay = time.Second
	text, err := command.Output()
	if err != nil {
		return nil
	}
	var addresses []netip.Addr
	for line := range strings.Lines(string(text)) {
		first, _, _ := strings.Cut(line, " ")
		if address, err := netip.ParseAddr(first); err == nil && !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// knowsMore reports whether nsswitch.conf(5) has hosts looked up elsewhere than in /etc/hosts and the DNS.
func knowsMore(file string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if sources, found := strings.CutPrefix(strings.TrimSpace(line), "hosts:"); found {
			return slices.ContainsFunc(strings.Fields(sources), func(word string) bool {
				return word != "files" && word != "dns" && !strings.ContainsAny(word, "[]=")
			})
		}
	}
	return false
}
