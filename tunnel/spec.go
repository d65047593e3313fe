package tunnel

import (
	"net"
	"strconv"
	"strings"

	"github.com/tunneld/tunneld/config"
)

// Spec returns a forward as a person types it: "-L 8080:db:5432".
func Spec(f config.Forward) string { return f.Kind.Option() + " " + argument(f) }

// argument returns a forward as the argument of its option.
func argument(f config.Forward) string {
	text := listenText(f.Listen)
	if f.IsSOCKS() {
		return text
	}
	if f.Kind == config.DNS {
		return text + "=" + endpointText(f.Target)
	}
	return text + ":" + endpointText(f.Target)
}

func listenText(e config.Endpoint) string {
	switch {
	case e.IsUnix():
		return e.Path
	case !e.HostSet:
		return strconv.Itoa(e.Port)
	case strings.Contains(e.Host, ":"):
		return net.JoinHostPort(e.Host, strconv.Itoa(e.Port))
	}
	return e.Host + ":" + strconv.Itoa(e.Port)
}

func endpointText(e config.Endpoint) string {
	if e.IsUnix() {
		return e.Path
	}
	return net.JoinHostPort(e.Host, strconv.Itoa(e.Port))
}

// Target returns what a forward connects to, for a person: host:port, a path, or SOCKS where the client says it.
func Target(f config.Forward) string { return targetText(f) }

func targetText(f config.Forward) string {
	if f.IsSOCKS() {
		return "SOCKS"
	}
	return endpointText(f.Target)
}
