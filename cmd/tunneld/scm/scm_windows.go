package scm

import (
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"

	"github.com/tunneld/tunneld/cmd/tunneld/signals"
)

// Run runs the program and returns its exit code. One that is no service has its console.
func Run(program func(stdout, stderr io.Writer) int) int {
	if is, err := svc.IsWindowsService(); err != nil || !is {
		return program(os.Stdout, os.Stderr)
	}
	s := &service{program: program}
	if err := svc.Run("", s); err != nil { // a process of one service is called as the SCM calls it
		return 1
	}
	return s.code
}

// service is the program under the SCM.
type service struct {
	program func(stdout, stderr io.Writer) int
	code    int // how it ended
}

// stopStep is how often the SCM is told that the end is still on its way: TunneldDrain may be long.
const stopStep = 5 * time.Second

// Execute implements svc.Handler. The service ends with the program's exit code: one that is not 0 is a failure, after which the SCM does what
// was configured for that.
func (s *service) Execute(args []string, asked <-chan svc.ChangeRequest, tell chan<- svc.Status) (specific bool, code uint32) {
	var log io.Writer = io.Discard
	if len(args) > 0 {
		if events, err := eventlog.Open(args[0]); err == nil {
			defer events.Close()
			log = &eventWriter{log: events}
		}
	}
	ended := make(chan int, 1)
	go func() { ended <- s.program(io.Discard, log) }()
	now := svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	tell <- now
	tick := time.NewTicker(stopStep)
	defer tick.Stop()
	for {
		select {
		case s.code = <-ended:
			return s.code != 0, uint32(s.code)
		case <-tick.C:
			if now.State == svc.StopPending {
				now.CheckPoint++
				tell <- now
			}
		case request := <-asked:
			switch request.Cmd {
			case svc.Interrogate:
				tell <- now
			case svc.Stop, svc.Shutdown:
				now = svc.Status{State: svc.StopPending, WaitHint: uint32((2 * stopStep).Milliseconds())}
				tell <- now
				signals.Send(syscall.SIGTERM)
			}
		}
	}
}

// eventWriter writes lines as events.
type eventWriter struct {
	log  *eventlog.Log
	rest string // of a line that has no end yet
}

// event is the number of all our events.
const event = 1

// maxEvent is how long an event may be, in bytes (ReportEvent).
const maxEvent = 31 << 10

// Write implements io.Writer.
func (w *eventWriter) Write(text []byte) (int, error) {
	lines := strings.SplitAfter(w.rest+string(text), "\n")
	w.rest = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		line = strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\x00", "")
		if err := w.log.Info(event, line[:min(len(line), maxEvent)]); err != nil {
			return 0, err
		}
	}
	return len(text), nil
}
