package sshfp

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// settings are what resolv.conf(5) says.
type settings struct {
	servers  []string // addresses without ports, at most maxServers
	trustAD  bool     // the way to them is safe, says the administrator
	timeout  time.Duration
	attempts int
}

// What the C library does, too.
const (
	maxServers  = 3
	maxTimeout  = 30
	maxAttempts = 5
)

// readSettings reads a resolv.conf(5). Where there is none, or it names no server, that of this machine is asked.
func readSettings(path string) settings {
	s := settings{timeout: 5 * time.Second, attempts: 2}
	text, _ := os.ReadFile(path) // a file that is missing names no server
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) > 1 && words[0] == "nameserver" && len(s.servers) < maxServers:
			s.servers = append(s.servers, words[1])
		case len(words) > 1 && words[0] == "options":
			s.options(words[1:])
		}
	}
	if len(s.servers) == 0 {
		s.servers = []string{"127.0.0.1"}
	}
	return s
}

func (s *settings) options(words []string) {
	for _, word := range words {
		name, value, _ := strings.Cut(word, ":")
		number, err := strconv.Atoi(value)
		switch {
		case word == "trust-ad":
			s.trustAD = true
		case name == "timeout" && err == nil && number > 0:
			s.timeout = time.Duration(min(number, maxTimeout)) * time.Second
		case name == "attempts" && err == nil && number > 0:
			s.attempts = min(number, maxAttempts)
		}
	}
}

// believed reports whether the AD bit in an answer of server says anything.
func (s *settings) believed(server string) bool {
	address, err := netip.ParseAddr(server)
	return s.trustAD || err == nil && address.IsLoopback()
}

// at returns where a server listens.
func at(server, port string) string { return net.JoinHostPort(server, port) }
