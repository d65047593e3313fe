package systemd

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
)

// Service tells the service manager how we are (sd_notify(3)). Without one, nothing happens. Its methods may be called from any
// goroutine.
type Service struct {
	log      *slog.Logger
	interval time.Duration // of the watchdog; 0: there is none

	mu       sync.Mutex // guards all following fields, and has what is told come in order
	status   string     // the last that was told
	stopping bool       // nothing but that is told any more: a reload that ends now does not make us ready
}

func NewService(log *slog.Logger) *Service {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("no watchdog", "err", err)
	}
	return &Service{log: log, interval: interval}
}

// Ready says that the local listeners are bound: clients are served or held from now on. A server that is down at boot must
// not fail the unit.
func (s *Service) Ready(status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping {
		s.status = status
		s.tell("READY=1\nSTATUS="+OneLine(status), readyTime)
	}
}

// Listens reports whether there is a service manager to tell.
func (s *Service) Listens() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// Status says in one line how the tunnels are, where that is news.
func (s *Service) Status(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping && text != s.status {
		s.status = text
		s.tell("STATUS="+OneLine(text), tellTime)
	}
}

// Reloading says that the configuration is being read anew, until ready. Type=notify-reload wants the time with it.
func (s *Service) Reloading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping {
		s.tell(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonic().Microseconds()), readyTime)
	}
}

// Stopping says that the process is about to end.
func (s *Service) Stopping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	s.tell("STOPPING=1\nSTATUS=stopping: open connections go on for TunneldDrain at most", tellTime)
}

// Watchdog returns the moments at which feed is to be called; none come where nobody waits for that. cancel ends it.
func (s *Service) Watchdog() (moments <-chan time.Time, cancel func()) {
	if s.interval == 0 {
		return nil, func() {}
	}
	ticker := time.NewTicker(s.interval / 3)
	return ticker.C, ticker.Stop
}

// Feed says that we are alive, if every tunnel's loop has turned lately.
func (s *Service) Feed(turned time.Time) {
	if age := time.Since(turned); age > monitor.StuckAfter {
		s.log.Error("a supervising loop stands still: the watchdog is not fed", "took", age.Round(time.Second))
		return
	}
	s.tell("WATCHDOG=1", tellTime)
}

// How long the service manager may take to accept what it is told. One that reads no more, as some that only wait for the first word,
// must not hold us up.
const (
	tellTime  = 500 * time.Millisecond
	readyTime = 5 * time.Second // for what it waits for
)

// tell does what sd_notify(3) does, for so long.
func (s *Service) tell(state string, limit time.Duration) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		defer conn.Close()
		conn.SetWriteDeadline(time.Now().Add(limit))
		_, err = conn.Write([]byte(state))
	}
	if err != nil {
		s.log.Debug("service manager not told", "err", err)
	}
}

// OneLine keeps a text that came from a server from being read as further assignments.
func OneLine(text string) string { return foreign.Own(text).String() }

// InheritedSockets returns the listening sockets that the service manager opened for us (sd_listen_fds(3)), if any.
func InheritedSockets(log *slog.Logger) *tunnel.Sockets {
	var listeners []net.Listener
	for _, file := range activation.Files(true) {
		listener, err := net.FileListener(file)
		if err != nil {
			log.Warn("inherited descriptor is not a listening socket and is not used", "socket", file.Name(), "err", err)
		} else {
			listeners = append(listeners, listener)
		}
		file.Close()
	}
	return tunnel.NewSockets(listeners)
}
