package autossh

import (
	"fmt"
	"strings"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
)

const (
	maxMonitorPort = 65534 // the port above is needed, too
	monitorHost    = "127.0.0.1"
)

// read takes the argument of -M or AUTOSSH_PORT: port[:echo_port].
func (m *Monitor) read(spec monitorSpec) *Refusal {
	if !spec.given {
		m.Automatic = true
		return nil
	}
	port, echo, hasEcho := strings.Cut(spec.text, ":")
	if hasEcho {
		value, ok := unsigned(echo)
		if !ok || value < 1 || value > 65535 { // autossh looks for 0 alone, and ssh refuses the forward then, each time
			return refuse(`invalid echo port  "%s"`, foreign.Own(echo))
		}
		m.EchoPort = int(value)
	}
	value, ok := unsigned(port)
	switch {
	case !ok:
		return refuse(`invalid port "%s"`, foreign.Own(port))
	case value < 0 || value > maxMonitorPort:
		return refuse("monitor port (%d) out of range", value)
	case value == 0:
		*m = Monitor{}
	default:
		m.Port = int(value)
	}
	return nil
}

// ReadPort returns the port here on which the loop comes back; 0 with an echo service, and without a port.
func (m Monitor) ReadPort() int {
	if m.Port == 0 || m.EchoPort != 0 {
		return 0
	}
	return m.Port + 1
}

// Forwards returns the options that autossh adds for ssh: from Port here to Port at the server and back to ReadPort, or to the
// echo service there. There are none while the port is not chosen.
func (m Monitor) Forwards() []config.Flag {
	switch {
	case m.Port == 0:
		return nil
	case m.EchoPort != 0:
		return []config.Flag{{Letter: 'L', Value: forward(m.Port, m.EchoPort)}}
	}
	return []config.Flag{{Letter: 'L', Value: forward(m.Port, m.Port)}, {Letter: 'R', Value: forward(m.Port, m.ReadPort())}}
}

func forward(from, to int) string { return fmt.Sprintf("%d:%s:%d", from, monitorHost, to) }

// What Debian's wrapper does where nobody names a port.
const (
	firstAutomatic = 32768
	automaticTries = 42
	fallbackPort   = 21021
)

// ChoosePort returns a port for Automatic as Debian's wrapper chooses it: at random from 32768 on, such that it and the one
// above are free; after 42 tries 21021, and 0 where that is taken, too. random returns a number from 0 to n-1.
func ChoosePort(random func(n int) int, inUse func(port int) bool) int {
	free := func(port int) bool { return !inUse(port) && !inUse(port+1) }
	for range automaticTries {
		if port := firstAutomatic + random(maxMonitorPort-firstAutomatic+1); free(port) {
			return port
		}
	}
	if free(fallbackPort) {
		return fallbackPort
	}
	return 0
}
