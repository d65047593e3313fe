package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/carrier"
	"github.com/tunneld/tunneld/cmd/tunneld/stock"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/monitor/beat"
	"github.com/tunneld/tunneld/tunnel/mux"
)

// sharing is a tunnel's ControlPath: it listens there for as long as the tunnel lives, through every outage, if the
// configuration says so (ControlMaster). It has no goroutine before that.
type sharing struct {
	master *mux.Master
	log    *slog.Logger
	wish   chan config.Master // of one element: what the configuration says now

	mu    sync.Mutex
	begin func() (ended <-chan struct{}) // nil while the tunnel does not run, and once run has begun
	ended <-chan struct{}                // nil: run has never begun

	stock    stock.SSH // that clients are
	listened bool      // since the configuration was read last
	warned   string    // the last trouble, which is told once
	path     string    // where it listened last, or tried to

	shown atomic.Pointer[monitor.Master] // by the status; nil: there is nothing to show
}

func newSharing(t mux.Tunnel, log *slog.Logger) *sharing {
	return &sharing{master: mux.New(t, log), log: log, wish: make(chan config.Master, 1)}
}

// adopt has it live by what was read anew. A socket that was given up (ssh -O stop) is made again.
func (s *sharing) adopt(m config.Master) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.wish:
	default:
	}
	s.wish <- m // nobody else puts anything there
	if m.Listens() && s.begin != nil {
		s.ended, s.begin = s.begin(), nil
	}
}

// live has it listen, from the first time that this is wished on, until running is done.
func (s *sharing) live(running context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin = func() <-chan struct{} {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.run(running)
		}()
		return ended
	}
}

// over returns what is closed when nothing goes on any more; nil: nothing does. Nothing begins from now on.
func (s *sharing) over() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin = nil
	return s.ended
}

// lookEvery is how often it is found out whether the socket is still there, and whether another's has gone.
const lookEvery = 5 * time.Second

// run listens where it is wished until ctx is done. Sessions go on.
func (s *sharing) run(ctx context.Context) {
	defer s.shown.Store(nil)
	defer s.master.StopListening()
	tick := beat.NewTicker(lookEvery)
	defer tick.Stop()
	var looks <-chan time.Time // nil where there is no socket to look at
	var wanted config.Master
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-s.wish:
			s.listened, s.warned = false, ""
			if now != wanted {
				s.master.StopListening()
			}
			if wanted, looks = now, nil; now.Listens() {
				looks = tick.C
			}
		case <-looks:
			tick.Next()
		}
		s.settle(ctx, wanted)
	}
}

// settle makes the socket if it is wanted and not there.
func (s *sharing) settle(ctx context.Context, wanted config.Master) {
	switch {
	case !wanted.Listens():
		s.master.StopListening()
		s.shown.Store(nil)
		return
	case s.listened && s.master.Path() == "": // a client asked for it
		s.show(monitor.MasterStopped, "given up for a client (ssh -O stop); a reload listens again")
		return
	case s.master.InPlace():
		s.listened = true // also after a reload, so that a stop that a client asks for holds
		s.show(monitor.MasterListening, "")
		return
	}
	socket, err := s.listen(ctx, wanted)
	if err != nil {
		s.showTrouble(err)
		s.warn(err)
		return
	}
	s.master.Serve(socket)
	s.listened, s.warned = true, ""
	s.show(monitor.MasterListening, "")
	s.log.Info("sharing the connection with ssh", "path", s.path)
}

// listen makes the socket where clients look for it.
func (s *sharing) listen(ctx context.Context, wanted config.Master) (*mux.Socket, error) {
	path, err := s.stock.Path(ctx, wanted)
	s.path = cmp.Or(path, wanted.JumpPath)
	if err != nil {
		return nil, err
	}
	return mux.Listen(ctx, s.path, wanted.Mode == config.MasterYes)
}

func (s *sharing) show(state monitor.MasterState, trouble string) {
	s.shown.Store(&monitor.Master{Path: foreign.Own(s.path).String(), State: state, Error: foreign.Line(trouble).String()})
}

func (s *sharing) showTrouble(err error) {
	var other *mux.ForeignError
	switch {
	case !errors.As(err, &other):
		s.show(monitor.MasterFailed, err.Error())
	case other.PID == 0:
		s.show(monitor.MasterTaken, "it is another program's, which does not answer")
	default:
		s.show(monitor.MasterTaken, fmt.Sprintf("it is the socket of another master, process %d", other.PID))
	}
}

// status returns what there is to show; nil: nothing.
func (s *sharing) status() *monitor.Master {
	if s == nil {
		return nil
	}
	return s.shown.Load()
}

// warn tells a trouble once. It is tried again.
func (s *sharing) warn(err error) {
	if err.Error() == s.warned {
		return
	}
	s.warned = err.Error()
	hint := "clients connect by themselves meanwhile"
	var foreign *mux.ForeignError
	if errors.As(err, &foreign) {
		hint = "it is left alone; tunneld listens there when it has gone, or at once with ControlMaster yes (-M)"
	}
	s.log.Warn("not sharing the connection with ssh, trying again", "err", err, "hint", hint)
}

// unsharedTime is how long the end of a tunnel waits for the file system of its ControlPath.
const unsharedTime = 3 * time.Second

// share has the tunnel of r be a ControlMaster until running is done. The function that it returns ends what goes on then
// and waits for it, but not for a file system that does not answer.
func (p *process) share(running context.Context, r *runner) (end func()) {
	r.sharing.live(running)
	r.sharing.adopt(r.plan.options.Master)
	return func() {
		defer r.sharing.master.Close()
		ended := r.sharing.over()
		if ended == nil {
			return
		}
		late := time.NewTimer(unsharedTime)
		defer late.Stop()
		select {
		case <-ended:
		case <-late.C:
			r.log.Warn("not waiting for the ControlPath any more", "hint", "the file system that it is on does not answer")
		}
	}
}

// carrierOf returns r as others use it. running ends with r.
func (p *process) carrierOf(running context.Context, r *runner) *carrier.Carrier {
	return &carrier.Carrier{
		Name: r.name, Tunnel: r.tunnel, Monitor: r.monitor, Log: r.log, Changing: p.reloading, Ending: running.Done(),
		Supervised: os.Getenv("NOTIFY_SOCKET") != "",
		PutDown:    func() { p.tasks.Go(func() { p.putDown(context.WithoutCancel(running), r, byClient) }) },
		Describe: func(about string) (string, bool) {
			say, known := map[string]func(*runner) string{"connection": connectionInfo, "channels": channelsInfo}[about]
			if !known {
				return "", false
			}
			return say(r), true
		},
	}
}

// connectionInfo words what `ssh -O conninfo` shows, as OpenSSH 10.3 does.
func connectionInfo(r *runner) string {
	s := r.monitor.Status()
	text := fmt.Sprintf("Connection information for %s pid %d\n", s.Name, os.Getpid())
	for _, one := range s.Sessions {
		if one.Server == nil {
			continue
		}
		text += fmt.Sprintf("  tcp %s\n  duration %s\n  kexalgorithm %s\n  hostkeyalgorithm %s\n  cipher %s\n  mac %s\n", one.Server.Address,
			time.Since(one.UpSince).Round(time.Second), one.Server.Kex, one.Server.HostKey, one.Server.Cipher, cmp.Or(one.Server.MAC, "<implicit>"))
		text += fmt.Sprintf("  traffic %d bytes in, %d bytes out\n", one.BytesIn, one.BytesOut)
	}
	return text
}

// channelsInfo words what `ssh -O channels` shows: how many there are on each connection.
func channelsInfo(r *runner) string {
	text := "The following connections are open:\n"
	for _, one := range r.monitor.Status().Sessions {
		name := fmt.Sprintf("connection %d", one.Slot)
		if one.Slot == 0 {
			name = "further connection"
		}
		text += fmt.Sprintf("  %s: %d channels\n", name, one.Open)
	}
	return text
}
